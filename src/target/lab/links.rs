//! Links, addresses and routes of the network namespace that the calling thread is in, by netlink.

use super::failed;
use crate::target::TargetError;
use futures_util::TryStreamExt;
use ipnet::IpNet;
use netlink_packet_route::address::AddressHeaderFlags;
use netlink_packet_route::link::{InfoData, InfoVeth, LinkAttribute, State};
use netlink_packet_route::route::RouteScope;
use nix::errno::Errno;
use rtnetlink::{Handle, LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::fmt::Display;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

/// A hardware address.
pub(super) type Mac = [u8; 6];

/// How long a link may take to carry packets.
const LINK_DEADLINE: Duration = Duration::from_secs(10);

/// A connection to the kernel's part of one namespace.
pub(super) struct Links {
    namespace: String,
    handle: Handle,
}

/// One end of a cable.
pub(super) struct End<'a> {
    /// The link's name.
    pub(super) name: &'a str,
    /// Its hardware address; `None` lets the kernel choose.
    pub(super) mac: Option<Mac>,
    /// The group that it can be removed with; 0 is everybody else's. Only the near end's counts.
    pub(super) group: u32,
}

impl Links {
    /// Connects. Must be called on a runtime, whose thread is in the namespace.
    pub(super) fn connect(namespace: &str) -> Result<Self, TargetError> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|error| failed("opening a netlink socket", error))?;
        tokio::spawn(connection);
        Ok(Self { namespace: namespace.to_owned(), handle })
    }

    /// Makes a bridge that carries packets at once and learns nothing about multicast.
    pub(super) async fn bridge(&self, name: &str) -> Result<(), TargetError> {
        let message = LinkBridge::new(name).mcast_snooping(false).up().build();
        self.handle.link().add(message).execute().await.map_err(|error| self.failed("making the bridge", name, error))
    }

    /// Lays a cable from here (`near`, in `bridge` if there is one) to the namespace `peer_namespace` (`far`). The far end
    /// is still to be switched on.
    pub(super) async fn cable(
        &self,
        near: End<'_>,
        bridge: Option<&str>,
        far: End<'_>,
        peer_namespace: RawFd,
    ) -> Result<(), TargetError> {
        let mut peer = LinkUnspec::new_with_name(far.name).setns_by_fd(peer_namespace);
        if let Some(mac) = far.mac {
            peer = peer.address(mac.to_vec());
        }
        let mut link = LinkVeth::new(near.name, far.name);
        link = link.set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build()))).link_group(near.group).up();
        if let Some(mac) = near.mac {
            link = link.address(mac.to_vec());
        }
        if let Some(bridge) = bridge {
            link = link.controller(self.index(bridge).await?);
        }
        let laid = self.handle.link().add(link.build()).execute().await;
        laid.map_err(|error| self.failed("making the link", near.name, error))
    }

    /// Switches a link on.
    pub(super) async fn up(&self, name: &str) -> Result<(), TargetError> {
        let message = LinkUnspec::new_with_index(self.index(name).await?).up().build();
        let switched = self.handle.link().change(message).execute().await;
        switched.map_err(|error| self.failed("switching on", name, error))
    }

    /// Removes a link, and with it its other end.
    pub(super) async fn remove(&self, name: &str) -> Result<(), TargetError> {
        let removed = self.handle.link().del(self.index(name).await?).execute().await;
        removed.map_err(|error| self.failed("removing the link", name, error))
    }

    /// Removes all links of a group, and with them their other ends. The kernel waits for its readers once for all of
    /// them, not once for each. A group without links is no failure.
    pub(super) async fn remove_group(&self, group: u32) -> Result<(), TargetError> {
        let message = LinkMessageBuilder::<LinkUnspec>::default().link_group(group).build();
        match self.handle.link().del_with_message(message).execute().await {
            Err(rtnetlink::Error::NetlinkError(error)) if error.raw_code() == -(Errno::ENODEV as i32) => Ok(()),
            other => other.map_err(|error| self.failed("removing the links of", &format!("group {group}"), error)),
        }
    }

    /// Waits until a link that was switched on carries packets. The kernel does the last step of that in the background
    /// for the end that was switched on first; until then it drops what is sent.
    pub(super) async fn carries(&self, name: &str) -> Result<(), TargetError> {
        let deadline = Instant::now() + LINK_DEADLINE;
        let index = self.index(name).await?;
        loop {
            let mut answers = self.handle.link().get().match_index(index).execute();
            let message = answers.try_next().await.map_err(|error| self.failed("reading the state of", name, error))?;
            let up = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::OperState(State::Up));
            if message.is_some_and(|message| message.attributes.iter().any(up)) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.failed("switching on", name, "it did not come up within 10 s"));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Gives a link an address that is usable at once.
    pub(super) async fn address(&self, name: &str, address: IpNet) -> Result<(), TargetError> {
        let mut request = self.handle.address().add(self.index(name).await?, address.addr(), address.prefix_len());
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        let given = request.execute().await;
        given.map_err(|error| self.failed(format!("giving the address {address} to"), name, error))
    }

    /// Leads packets for `destination` out by a link, to `gateway` or to the destination itself.
    pub(super) async fn route(
        &self,
        destination: IpNet,
        name: &str,
        gateway: Option<IpAddr>,
    ) -> Result<(), TargetError> {
        let step = || format!("routing {destination} by");
        let mut route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(destination.addr(), destination.prefix_len())
            .map_err(|error| self.failed(step(), name, error))?
            .output_interface(self.index(name).await?);
        route = match gateway {
            Some(gateway) => route.gateway(gateway).map_err(|error| self.failed(step(), name, error))?,
            None => route.scope(RouteScope::Link),
        };
        let led = self.handle.route().add(route.build()).execute().await;
        led.map_err(|error| self.failed(step(), name, error))
    }

    /// Says which hardware address a neighbour has, so that nobody has to ask.
    pub(super) async fn neighbour(&self, name: &str, address: IpAddr, mac: Mac) -> Result<(), TargetError> {
        let request = self.handle.neighbours().add(self.index(name).await?, address).link_layer_address(&mac);
        let said = request.execute().await;
        said.map_err(|error| self.failed(format!("naming the neighbour {address} of"), name, error))
    }

    async fn index(&self, name: &str) -> Result<u32, TargetError> {
        let mut answers = self.handle.link().get().match_name(name.to_owned()).execute();
        match answers.try_next().await {
            Ok(Some(link)) => Ok(link.header.index),
            Ok(None) => Err(self.failed("finding", name, "there is no such link")),
            Err(error) => Err(self.failed("finding", name, error)),
        }
    }

    fn failed(&self, step: impl Display, link: &str, cause: impl Display) -> TargetError {
        failed(format!("{step} {link} in the namespace of {}", self.namespace), cause)
    }
}
