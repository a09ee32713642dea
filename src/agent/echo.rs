//! What a probe carries and what comes back. The same over TCP and UDP.
//!
//! Both are [`LENGTH`] bytes, so that an answer is never longer than its request and nobody can use an agent to amplify
//! traffic. They begin differently, so two agents cannot answer each other's answers for ever. Numbers are big-endian.
//!
//! | request | bytes | answer | bytes |
//! |---|---|---|---|
//! | `PTrq` | 4 | `PTan` | 4 |
//! | version, 1 | 1 | version, 1 | 1 |
//! | 1 where more requests follow | 1 | length of the identity | 1 |
//! | zeros | 2 | zeros | 2 |
//! | epoch | 4 | nonce of the request | 16 |
//! | flow | 4 | source address that was seen, IPv4 as mapped IPv6 | 16 |
//! | zeros | 144 | its port | 2 |
//! | | | identity, UTF-8, and zeros | 134 |

use std::net::{IpAddr, SocketAddr};

/// The length of a request and of an answer.
pub(crate) const LENGTH: usize = 176;

/// The longest identity, in bytes.
pub(crate) const IDENTITY_LIMIT: usize = 128;

pub(crate) type Packet = [u8; LENGTH];
pub(crate) type Nonce = [u8; 16];

const REQUEST: [u8; 5] = *b"PTrq\x01";
const ANSWER: [u8; 5] = *b"PTan\x01";

/// What a probe says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) epoch: u32,
    pub(crate) flow: u32,
    pub(crate) nonce: Nonce,
    /// Whether others follow on the same connection.
    pub(crate) more: bool,
}

/// What the receiver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) nonce: Nonce,
    pub(crate) source: SocketAddr,
    pub(crate) identity: String,
}

impl Request {
    pub(crate) fn to_bytes(self) -> Packet {
        let Self { epoch, flow, nonce, more } = self;
        packet(&[&REQUEST, &[more.into(), 0, 0], &epoch.to_be_bytes(), &flow.to_be_bytes(), &nonce])
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::over(bytes, REQUEST)?;
        let [more, _, _] = reader.take()?;
        let epoch = u32::from_be_bytes(reader.take()?);
        let flow = u32::from_be_bytes(reader.take()?);
        Some(Self { epoch, flow, nonce: reader.take()?, more: more == 1 })
    }
}

impl Answer {
    pub(crate) fn to_bytes(&self) -> Packet {
        let ip = match self.source.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let identity = self.identity.as_bytes();
        let length = u8::try_from(identity.len()).unwrap_or(u8::MAX);
        let port = self.source.port().to_be_bytes();
        packet(&[&ANSWER, &[length, 0, 0], &self.nonce, &ip.octets(), &port, identity])
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::over(bytes, ANSWER)?;
        let [length, _, _] = reader.take()?;
        let length = usize::from(length);
        let nonce = reader.take()?;
        let ip = IpAddr::from(reader.take::<16>()?).to_canonical();
        let source = SocketAddr::new(ip, u16::from_be_bytes(reader.take()?));
        let identity = std::str::from_utf8(reader.rest.get(..length)?).ok()?.to_owned();
        is_identity(&identity).then_some(Self { nonce, source, identity })
    }
}

/// A name that an agent may have. Reports show it, so it must not steer a terminal.
pub(crate) fn is_identity(name: &str) -> bool {
    (1..=IDENTITY_LIMIT).contains(&name.len()) && !name.contains(char::is_control)
}

/// The parts one after the other, and zeros. What does not fit is left out.
fn packet(parts: &[&[u8]]) -> Packet {
    let mut packet = [0; LENGTH];
    for (to, from) in packet.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = *from;
    }
    packet
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn over(bytes: &'a [u8], kind: [u8; 5]) -> Option<Self> {
        let rest = bytes.strip_prefix(&kind)?;
        (bytes.len() == LENGTH).then_some(Self { rest })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_survives(epoch: u32, flow: u32, nonce: Nonce, more: bool) {
            let request = Request { epoch, flow, nonce, more };
            prop_assert_eq!(Request::parse(&request.to_bytes()), Some(request));
            prop_assert_eq!(Answer::parse(&request.to_bytes()), None);
        }

        #[test]
        fn an_answer_survives(nonce: Nonce, ip: IpAddr, port: u16, identity in "[a-zé/-]{1,64}") {
            let source = SocketAddr::new(ip.to_canonical(), port);
            let answer = Answer { nonce, source, identity };
            prop_assert_eq!(Request::parse(&answer.to_bytes()), None);
            prop_assert_eq!(Answer::parse(&answer.to_bytes()), Some(answer));
        }

        #[test]
        fn a_name_that_steers_terminals_is_no_answer(nonce: Nonce, source: SocketAddr) {
            let answer = Answer { nonce, source, identity: "x/\u{1b}[2J".to_owned() };
            prop_assert_eq!(Answer::parse(&answer.to_bytes()), None);
        }

        #[test]
        fn garbage_is_neither(bytes in proptest::collection::vec(any::<u8>(), 0..LENGTH * 2)) {
            prop_assert_eq!(Request::parse(&bytes), None);
            prop_assert_eq!(Answer::parse(&bytes), None);
        }

        #[test]
        fn whatever_follows_the_beginning_is_read_as_it_would_be_written_or_not_at_all(
            tail in proptest::collection::vec(any::<u8>(), LENGTH),
            length in 0..=u8::MAX,
            identity in "\\PC{0,40}",
        ) {
            let text = packet(&[&ANSWER, &[length, 0, 0], &tail[..34], identity.as_bytes()]);
            for bytes in [packet(&[&ANSWER, &tail]), text] {
                if let Some(answer) = Answer::parse(&bytes) {
                    prop_assert!(is_identity(&answer.identity));
                    prop_assert_eq!(Answer::parse(&answer.to_bytes()), Some(answer));
                }
                prop_assert_eq!(Answer::parse(&bytes[..LENGTH - 1]), None);
            }
            let bytes = packet(&[&REQUEST, &tail]);
            let request = Request::parse(&bytes).unwrap();
            prop_assert_eq!(Request::parse(&request.to_bytes()), Some(request));
            prop_assert_eq!(Request::parse(&bytes[..LENGTH - 1]), None);
        }
    }
}
