//! Fair turns: a counting semaphore whose permits no single client address can hold all of.
//!
//! A client holds at most three quarters of the permits, so the last quarter stays for others even when one client keeps
//! its permits for hours. A permit that becomes free goes to the waiting client that holds the fewest, first come first
//! served among equals. Clients without a known address share no limit.
//!
//! # Hazards
//! - Behind a proxy all clients have the proxy's address, and three quarters are all they get together.
//! - IPv6 clients are distinguished by their /64, since one machine can use any address in it.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// A client, as distinguished by limits: its address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Client(Option<IpAddr>);

impl Client {
    /// Returns the client at an address.
    pub fn at(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
            v4 => v4,
        }))
    }

    /// Returns the client as text, for the catalog; `None` if its address isn't known.
    pub fn name(&self) -> Option<String> {
        self.0.map(|address| address.to_string())
    }

    /// Returns how many of `all` permits this client may hold.
    pub fn share(&self, all: u64) -> u64 {
        if self.0.is_some() { all - all / 4 } else { all }
    }
}

/// A semaphore with fair turns. Clones share the permits.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    held: HashMap<Client, usize>,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    client: Client,
    grant: oneshot::Sender<Turn>,
}

/// A permit; dropping it ends the turn.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    client: Client,
}

impl Turns {
    /// Creates a semaphore with `most` permits.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, state: Mutex::default() }))
    }

    /// Returns the total number of permits.
    pub fn most(&self) -> usize {
        self.0.most
    }

    /// Returns the number of permits that are taken.
    pub fn taken(&self) -> usize {
        self.state().taken
    }

    /// Returns how many permits this client may hold.
    pub fn share(&self, client: Client) -> usize {
        // At most `most`, which is a `usize`.
        client.share(self.0.most as u64) as usize
    }

    /// Returns whether this client holds all the permits that it may. Clients without a known address have no share of their own.
    pub fn is_exhausted_for(&self, client: Client) -> bool {
        client.0.is_some() && self.state().held.get(&client).copied().unwrap_or_default() >= self.share(client)
    }

    /// Waits for a permit for this client; returns `None` after the timeout `patience`.
    ///
    /// # Cancellation
    /// The client loses its place in the queue.
    pub async fn take(&self, client: Client, patience: Duration) -> Option<Turn> {
        let (grant, granted) = oneshot::channel();
        self.state().waiting.push_back(Waiter { client, grant });
        self.hand_on();
        tokio::time::timeout(patience, granted).await.ok()?.ok()
    }

    /// Grants free permits to waiting clients.
    fn hand_on(&self) {
        while let Some(Waiter { client, grant }) = self.next() {
            // If the waiter has just given up, its turn is dropped here, which grants it to the next one.
            let _ = grant.send(Turn { turns: self.clone(), client });
        }
    }

    /// Removes and returns the next waiter that can be granted a permit, and counts the permit as taken.
    fn next(&self) -> Option<Waiter> {
        let mut state = self.state();
        state.waiting.retain(|waiter| !waiter.grant.is_closed());
        if state.taken >= self.0.most {
            return None;
        }
        let holds = |waiter: &Waiter| state.held.get(&waiter.client).copied().unwrap_or_default();
        let eligible = state.waiting.iter().enumerate().filter(|(_, waiter)| holds(waiter) < self.share(waiter.client));
        // The first among those that hold the fewest.
        let at = eligible.min_by_key(|(_, waiter)| holds(waiter)).map(|(at, _)| at)?;
        let waiter = state.waiting.remove(at)?;
        state.taken += 1;
        *state.held.entry(waiter.client).or_default() += 1;
        Some(waiter)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change of the state can panic halfway.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut state = self.turns.state();
            state.taken -= 1;
            if let Some(held) = state.held.get_mut(&self.client) {
                *held -= 1;
                if *held == 0 {
                    state.held.remove(&self.client);
                }
            }
        }
        self.turns.hand_on();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::FutureExt;

    use super::*;

    const NOW: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(60);

    fn client(last: u8) -> Client {
        Client::at(IpAddr::from([192, 0, 2, last]))
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_cannot_take_the_last_quarter() {
        let turns = Turns::new(8);
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(turns.take(client(1), NOW).await.unwrap());
        }
        assert!(turns.is_exhausted_for(client(1)));
        assert!(turns.take(client(1), LONG).await.is_none());
        held.push(turns.take(client(2), NOW).await.unwrap());
        held.push(turns.take(client(3), NOW).await.unwrap());
        assert!(turns.take(client(4), LONG).await.is_none(), "all eight are taken");
        drop(held);
        assert_eq!(turns.taken(), 0);
    }

    #[tokio::test]
    async fn a_free_turn_goes_to_the_client_that_holds_the_fewest() {
        let turns = Turns::new(4);
        let mut held = Vec::new();
        for last in [1, 1, 2, 3] {
            held.push(turns.take(client(last), NOW).await.unwrap());
        }
        let mut second = Box::pin(turns.take(client(2), LONG));
        let mut newcomer = Box::pin(turns.take(client(4), LONG));
        assert!((&mut second).now_or_never().is_none() && (&mut newcomer).now_or_never().is_none());
        held.remove(0);
        assert!((&mut second).now_or_never().is_none(), "it came first, but holds one already");
        held.push(newcomer.await.unwrap());
        held.remove(0);
        held.push(second.await.unwrap());
    }

    #[tokio::test]
    async fn a_waiter_that_gave_up_is_skipped() {
        let turns = Turns::new(1);
        let held = turns.take(client(1), NOW).await.unwrap();
        let mut gone = Box::pin(turns.take(client(2), LONG));
        assert!((&mut gone).now_or_never().is_none());
        let waits = turns.take(client(3), LONG);
        drop(gone);
        drop(held);
        waits.await.unwrap();
        assert_eq!(turns.taken(), 0);
    }

    #[test]
    fn clients_are_told_apart_by_address_or_network() {
        let at = |address: &str| Client::at(address.parse().unwrap());
        assert_eq!(at("::ffff:192.0.2.1"), client(1));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:3:4:5:6"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
        assert_eq!((client(1).share(1), client(1).share(100), Client::default().share(100)), (1, 75, 100));
    }
}
