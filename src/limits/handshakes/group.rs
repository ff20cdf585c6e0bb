//! Connections by age and by address, so that the one that makes room is found quickly.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

/// Connections among which one can be chosen to give way, by age and by how many their address has.
#[derive(Default)]
pub(super) struct Group {
    pub(super) by_age: BTreeMap<u64, AddressKey>,
    pub(super) by_address: HashMap<AddressKey, BTreeSet<u64>>,
    /// The busiest address is last; of two that are as busy, the one with the oldest connection.
    pub(super) by_rank: BTreeSet<Rank>,
}

/// How many connections an address has, its oldest one, and the address.
type Rank = (usize, Reverse<u64>, AddressKey);

/// The address that a connection is counted for; in IPv6 its /64.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum AddressKey {
    /// The client itself has this address.
    Client(IpAddr),
    /// The connection came through this balancer, and its PROXY header has not come yet.
    Balancer(IpAddr),
}

impl Group {
    /// Counts the connections.
    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Counts the connections of an address.
    pub(super) fn count_of(&self, address: AddressKey) -> usize {
        self.by_address.get(&address).map_or(0, BTreeSet::len)
    }

    /// Finds the number of the oldest connection of all.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.by_age.keys().next().copied()
    }

    /// Finds the number of the oldest connection of an address.
    pub(super) fn oldest_of(&self, address: AddressKey) -> Option<u64> {
        self.by_address.get(&address)?.first().copied()
    }

    /// The oldest connection of the address that has most of them, if it has more than `share`.
    pub(super) fn oldest_of_busiest(&self, share: usize) -> Option<u64> {
        let (_, Reverse(oldest), _) = self
            .by_rank
            .last()
            .filter(|(count, ..)| *count > share.max(1))?;
        Some(*oldest)
    }

    /// Takes a connection in. Numbers rise in the order of arrival.
    pub(super) fn add(&mut self, number: u64, address: AddressKey) {
        self.by_age.insert(number, address);
        self.change(address, |numbers| numbers.insert(number));
    }

    /// Takes a connection out, and says whether it was here.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let Some(address) = self.by_age.remove(&number) else { return false };
        self.change(address, |numbers| numbers.remove(&number));
        true
    }

    /// Changes which connections an address has, and keeps its rank right.
    fn change(&mut self, address: AddressKey, change: impl FnOnce(&mut BTreeSet<u64>) -> bool) {
        let numbers = self.by_address.entry(address).or_default();
        if let Some(rank) = rank(address, numbers) {
            self.by_rank.remove(&rank);
        }
        change(numbers);
        match rank(address, numbers) {
            Some(rank) => {
                self.by_rank.insert(rank);
            }
            None => {
                self.by_address.remove(&address);
            }
        }
    }
}

fn rank(address: AddressKey, numbers: &BTreeSet<u64>) -> Option<Rank> {
    Some((numbers.len(), Reverse(*numbers.first()?), address))
}
