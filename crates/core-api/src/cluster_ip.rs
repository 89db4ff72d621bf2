// SPDX-License-Identifier: Apache-2.0
//! Addresses and node ports of services: given out at creation, kept as long as the service lives.
//!
//! What is taken is read from the stored services; between the choice and the write a reservation keeps two creations
//! apart. (Several API servers over one etcd could still choose alike; a cluster has its own allocator.)

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use parking_lot::Mutex;

/// Services' addresses: an IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: u32,
    bits: u8,
}

/// A text that is no IPv4 network of a usable size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no IPv4 network of /8 to /30, such as 10.217.4.0/23")]
pub struct RangeError(String);

impl Default for AddressRange {
    /// 172.30.0.0/16, as on OpenShift.
    fn default() -> Self {
        Self { first: u32::from(Ipv4Addr::new(172, 30, 0, 0)), bits: 16 }
    }
}

impl FromStr for AddressRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let bad = || RangeError(text.to_owned());
        let (address, bits) = text.split_once('/').ok_or_else(bad)?;
        let address: Ipv4Addr = address.parse().map_err(|_| bad())?;
        let bits: u8 = bits.parse().map_err(|_| bad())?;
        if !(8..=30).contains(&bits) {
            return Err(bad());
        }
        Ok(Self { first: u32::from(address) & (u32::MAX << (32 - bits)), bits })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.first), self.bits)
    }
}

impl AddressRange {
    /// How many addresses can be given out: all but the network's own and the broadcast address.
    fn usable(self) -> u32 {
        (1_u32 << (32 - self.bits)) - 2
    }

    /// Whether an address can be given out.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let at = u32::from(address);
        at > self.first && at - self.first <= self.usable()
    }

    /// The address of the API server's own service: the first.
    #[must_use]
    pub fn api_server(self) -> Ipv4Addr {
        Ipv4Addr::from(self.first + 1)
    }

    /// A free address: where a name's hash points to, or the next free one, so that a service that is made again most
    /// often has the address it had. The first sixteenth (at most 256) is left to who asks for an address.
    fn free(self, name: &str, taken: impl Fn(Ipv4Addr) -> bool) -> Option<Ipv4Addr> {
        let usable = self.usable();
        let kept = (usable / 16).min(256);
        let dynamic = usable - kept;
        let start = hash(name) % dynamic;
        let upper = (0..dynamic).map(|step| kept + (start + step) % dynamic);
        upper
            .chain(0..kept)
            .map(|offset| Ipv4Addr::from(self.first + 1 + offset))
            .find(|address| !taken(*address))
    }
}

/// FNV-1a: the same in every process.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// How long a reservation is kept, in seconds: longer than any write takes.
const RESERVED: i64 = 60;

/// What is promised but perhaps not stored yet.
#[derive(Debug, Default)]
pub(crate) struct Reservations(Mutex<BTreeMap<Claim, i64>>);

/// An address or a node port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// An address.
    Address(Ipv4Addr),
    /// A port on every node.
    Port(u16),
}

impl Reservations {
    /// A free address, reserved.
    pub(crate) fn address(
        &self,
        range: AddressRange,
        name: &str,
        stored: &BTreeSet<Claim>,
        now: i64,
    ) -> Option<Ipv4Addr> {
        let mut reserved = self.0.lock();
        reserved.retain(|_, since| now - *since < RESERVED);
        let taken = |address| {
            let claim = Claim::Address(address);
            stored.contains(&claim) || reserved.contains_key(&claim)
        };
        let found = range.free(name, taken)?;
        reserved.insert(Claim::Address(found), now);
        Some(found)
    }

    /// A free port, reserved.
    pub(crate) fn port(
        &self,
        range: &std::ops::RangeInclusive<u16>,
        name: &str,
        stored: &BTreeSet<Claim>,
        now: i64,
    ) -> Option<u16> {
        let mut reserved = self.0.lock();
        reserved.retain(|_, since| now - *since < RESERVED);
        let count = u32::from(range.end().checked_sub(*range.start())?) + 1;
        let start = hash(name) % count;
        let found = (0..count)
            .filter_map(|step| {
                u16::try_from(u32::from(*range.start()) + (start + step) % count).ok()
            })
            .find(|port| {
                !stored.contains(&Claim::Port(*port)) && !reserved.contains_key(&Claim::Port(*port))
            })?;
        reserved.insert(Claim::Port(found), now);
        Some(found)
    }

    /// Reserves what somebody asked for; false if it is promised to another.
    pub(crate) fn claim(&self, claim: Claim, stored: &BTreeSet<Claim>, now: i64) -> bool {
        let mut reserved = self.0.lock();
        reserved.retain(|_, since| now - *since < RESERVED);
        if stored.contains(&claim) || reserved.contains_key(&claim) {
            return false;
        }
        reserved.insert(claim, now);
        true
    }

    /// Gives back what was not used.
    pub(crate) fn release(&self, claims: impl IntoIterator<Item = Claim>) {
        let mut reserved = self.0.lock();
        for claim in claims {
            reserved.remove(&claim);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_bounded() {
        let range: AddressRange = "10.217.4.9/23".parse().expect("a network");
        assert_eq!(range.to_string(), "10.217.4.0/23");
        assert_eq!(range.api_server(), Ipv4Addr::new(10, 217, 4, 1));
        assert!(!range.contains(Ipv4Addr::new(10, 217, 4, 0)));
        assert!(range.contains(Ipv4Addr::new(10, 217, 5, 254)));
        assert!(!range.contains(Ipv4Addr::new(10, 217, 5, 255)));
        for bad in ["10.0.0.0", "10.0.0.0/31", "10.0.0/24", "::/64"] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn all_addresses_are_given_out_once() {
        let range: AddressRange = "10.0.0.0/27".parse().expect("a network");
        let (reservations, mut stored) = (Reservations::default(), BTreeSet::new());
        for at in 0..30 {
            let address =
                reservations.address(range, &format!("n/s{at}"), &stored, 0).expect("one is free");
            assert!(range.contains(address));
            assert!(stored.insert(Claim::Address(address)), "given out twice");
        }
        assert_eq!(reservations.address(range, "n/x", &stored, 0), None);
    }

    #[test]
    fn a_reservation_ends() {
        let reservations = Reservations::default();
        let (claim, none) = (Claim::Port(30_000), BTreeSet::new());
        assert!(reservations.claim(claim, &none, 0));
        assert!(!reservations.claim(claim, &none, RESERVED - 1));
        assert!(reservations.claim(claim, &none, RESERVED));
    }
}
