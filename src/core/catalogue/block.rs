//! Address blocks in cases: as they stand, or around the address that an endpoint will have.

use super::scope::Scope;
use crate::core::model::flow::{Endpoint, Family};
use crate::core::model::world::World;
use ipnet::IpNet;
use std::net::IpAddr;

/// A `cidr` or an item of `except`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// Written out.
    Literal(IpNet),
    /// `{y/b.ipv4}/32`.
    Around(Placeholder),
}

/// The block of `prefix` bits around an endpoint's own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placeholder {
    pub(super) endpoint: Endpoint,
    pub(super) family: Family,
    prefix: u8,
}

impl Placeholder {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no placeholder: write {{NAMESPACE/POD.ipv4}}/32, {{external:NAME.ipv6}}/128 or a block"
            )
        };
        let (inner, prefix) = text.strip_prefix('{').and_then(|rest| rest.split_once("}/")).ok_or_else(wrong)?;
        let (endpoint, family) = inner.rsplit_once('.').ok_or_else(wrong)?;
        let (family, longest) = match family {
            "ipv4" => (Family::Ipv4, 32),
            "ipv6" => (Family::Ipv6, 128),
            _ => return Err(wrong()),
        };
        let endpoint: Endpoint = endpoint.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if prefix > longest {
            return Err(format!("/{prefix} is too long: an {family} prefix has at most {longest} bits"));
        }
        Ok(Self { endpoint, family, prefix })
    }

    /// The block around `address`, host bits cleared.
    pub(super) fn around(&self, address: IpAddr) -> IpNet {
        IpNet::new(address, self.prefix).expect("the prefix was held against the family").trunc()
    }
}

impl Block {
    /// Whether a text tries to name an endpoint.
    pub(super) fn has_placeholder(text: &str) -> bool {
        text.contains(['{', '}'])
    }

    /// Reads a block of either kind.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if Self::has_placeholder(text) {
            return Placeholder::parse(text).map(Self::Around);
        }
        match text.parse::<IpNet>() {
            Ok(net) => Ok(Self::Literal(net.trunc())),
            Err(_) => Err(format!("`{text}` is no cidr; expected such as 192.0.2.0/24 or {{y/b.ipv4}}/32")),
        }
    }

    /// The block, where it is written out.
    pub(super) fn literal(&self) -> Option<IpNet> {
        match self {
            Self::Literal(net) => Some(*net),
            Self::Around(_) => None,
        }
    }

    /// The block in `world`, or `None` when the endpoint is not there or has no address of the family.
    pub(super) fn net(&self, world: &World, scope: &Scope<'_>) -> Option<IpNet> {
        match self {
            Self::Literal(net) => Some(*net),
            Self::Around(placeholder) => {
                let endpoint = scope.endpoint(&placeholder.endpoint);
                Some(placeholder.around(world.address(&endpoint, placeholder.family)?))
            }
        }
    }

    /// Whether it is written out and not everything.
    pub(super) fn is_fixed(&self) -> bool {
        self.literal().is_some_and(|net| net.prefix_len() > 0)
    }
}
