//! A wind between the machines of a net: it loses, delays, doubles and overtakes datagrams, by a
//! seed. QUIC is one UDP port for each head, so a head that advertises the wind's address instead
//! of its own is spoken to through it by everybody, in both directions.
//!
//! The wind knows nothing of what it carries. The same seed makes the same choices, but which
//! datagram meets which choice is up to the machines.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use simulation::chance::Chance;
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use crate::netns::{Net, address};

/// Where the heads listen.
const PORT: u16 = 8443;
/// What is added to a machine's number for its door in the wind.
const DOORS: u8 = 100;
/// The largest datagram there is.
const DATAGRAM_MAX: usize = 65_536;
/// A way that carries nothing for so long is given up.
const WAY_IDLE: Duration = Duration::from_secs(20);

/// How it blows. The default carries everything at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Force {
    /// Of a hundred datagrams so many are lost.
    pub lost: u64,
    /// Of a hundred so many arrive twice.
    pub doubled: u64,
    /// Each is delayed by at least so much.
    pub delay: Duration,
    /// And by up to so much more, each by another time: they overtake each other.
    pub spread: Duration,
}

/// What it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Did {
    /// Datagrams that came.
    pub came: u64,
    /// Of them, lost.
    pub lost: u64,
    /// Arrived twice.
    pub doubled: u64,
    /// Arrived late.
    pub delayed: u64,
}

/// A wind that blows until it is dropped.
pub struct Wind {
    air: Arc<Air>,
    /// Its threads live in the switch.
    runtime: Option<Runtime>,
}

/// What all its parts share.
struct Air {
    state: Mutex<State>,
    came: AtomicU64,
    lost: AtomicU64,
    doubled: AtomicU64,
    delayed: AtomicU64,
}

struct State {
    force: Force,
    chance: Chance,
}

/// The address at which a machine is spoken to through the wind.
pub fn door(machine: u8) -> String {
    address(DOORS + machine)
}

impl Wind {
    /// A calm before the doors of these machines.
    ///
    /// # Errors
    /// If a door cannot be opened.
    pub fn over(net: &Net, machines: &[u8], seed: u64) -> anyhow::Result<Wind> {
        let runtime = net.outside()?;
        let air = Arc::new(Air {
            state: Mutex::new(State {
                force: Force::default(),
                chance: Chance::new(seed),
            }),
            came: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            doubled: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
        });
        for machine in machines {
            let to = SocketAddr::new(addr(*machine), PORT);
            let at = SocketAddr::new(addr(DOORS + *machine), PORT);
            net.also(&door(*machine))?;
            // On a thread of the runtime: those are in the switch.
            let opened = runtime.spawn(async move { UdpSocket::bind(at).await });
            let opened = Arc::new(runtime.block_on(opened)??);
            runtime.spawn(serve(air.clone(), opened, to));
        }
        Ok(Wind {
            air,
            runtime: Some(runtime),
        })
    }

    /// From now on it blows like this.
    pub fn blow(&self, force: Force) {
        self.air.lock().force = force;
    }

    /// What it has done so far.
    pub fn did(&self) -> Did {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Did {
            came: count(&self.air.came),
            lost: count(&self.air.lost),
            doubled: count(&self.air.doubled),
            delayed: count(&self.air.delayed),
        }
    }
}

impl Drop for Wind {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What becomes of one datagram: after how long it arrives, each time that it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Fate([Option<Duration>; 2]);

impl Force {
    fn decide(self, chance: &mut Chance) -> Fate {
        if chance.percent(self.lost) {
            return Fate([None, None]);
        }
        let spread = u64::try_from(self.spread.as_micros()).unwrap_or(u64::MAX);
        let mut late = || self.delay + Duration::from_micros(chance.below(spread));
        let first = late();
        let second = late();
        Fate([Some(first), chance.percent(self.doubled).then_some(second)])
    }
}

impl Air {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self) -> Fate {
        let mut state = self.lock();
        let force = state.force;
        let fate = force.decide(&mut state.chance);
        drop(state);
        let count = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        count(&self.came);
        match fate.0 {
            [None, None] => count(&self.lost),
            [Some(late), _] | [None, Some(late)] if !late.is_zero() => count(&self.delayed),
            [Some(_), _] | [None, Some(_)] => 0,
        };
        if let [Some(_), Some(_)] = fate.0 {
            count(&self.doubled);
        }
        fate
    }
}

/// Carries one datagram as fate wants it.
async fn carry(air: &Air, from: Arc<UdpSocket>, to: SocketAddr, datagram: &[u8]) {
    for late in air.decide().0.into_iter().flatten() {
        if late.is_zero() {
            // A full buffer is one more way to lose a datagram.
            let _ = from.send_to(datagram, to).await;
        } else {
            let (from, datagram) = (from.clone(), datagram.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(late).await;
                let _ = from.send_to(&datagram, to).await;
            });
        }
    }
}

/// The way of one caller to one machine.
struct Way {
    socket: Arc<UdpSocket>,
    back: AbortHandle,
}

/// One door: whoever calls gets a way of its own, so that answers find back.
async fn serve(air: Arc<Air>, door: Arc<UdpSocket>, to: SocketAddr) {
    let mut ways: HashMap<SocketAddr, Way> = HashMap::new();
    let mut datagram = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((length, caller)) = door.recv_from(&mut datagram).await else {
            continue;
        };
        ways.retain(|_, way| !way.back.is_finished());
        let way = match ways.get(&caller) {
            Some(way) => way.socket.clone(),
            None => match way_back(&air, &door, caller).await {
                Ok(way) => {
                    let socket = way.socket.clone();
                    ways.insert(caller, way);
                    socket
                }
                Err(_) => continue,
            },
        };
        carry(&air, way, to, &datagram[..length]).await;
    }
}

async fn way_back(air: &Arc<Air>, door: &Arc<UdpSocket>, caller: SocketAddr) -> io::Result<Way> {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?);
    let (air, door, from) = (air.clone(), door.clone(), socket.clone());
    let back = tokio::spawn(async move {
        let mut datagram = vec![0; DATAGRAM_MAX];
        while let Ok(received) = tokio::time::timeout(WAY_IDLE, from.recv_from(&mut datagram)).await
        {
            // A machine whose process has died answers with an error, once for each datagram.
            let Ok((length, _)) = received else { continue };
            carry(&air, door.clone(), caller, &datagram[..length]).await;
        }
    });
    Ok(Way {
        socket,
        back: back.abort_handle(),
    })
}

fn addr(machine: u8) -> IpAddr {
    address(machine)
        .parse()
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_are_as_likely_as_asked_and_the_same_by_the_same_seed() {
        let force = Force {
            lost: 20,
            doubled: 10,
            delay: Duration::from_millis(5),
            spread: Duration::from_millis(10),
        };
        let fates = |seed| {
            let mut chance = Chance::new(seed);
            (0..10_000)
                .map(|_| force.decide(&mut chance))
                .collect::<Vec<_>>()
        };
        let all = fates(1);
        assert_eq!(all, fates(1));
        assert_ne!(all, fates(2));
        let lost = all.iter().filter(|fate| fate.0 == [None, None]).count();
        let doubled = all.iter().filter(|fate| fate.0[1].is_some()).count();
        assert!((1_900..2_100).contains(&lost), "{lost}");
        assert!((700..900).contains(&doubled), "{doubled}");
        let late = all.iter().flat_map(|fate| fate.0.into_iter().flatten());
        for late in late {
            assert!(late >= force.delay && late < force.delay + force.spread);
        }
        let calm = Force::default().decide(&mut Chance::new(1));
        assert_eq!(calm, Fate([Some(Duration::ZERO), None]));
    }
}
