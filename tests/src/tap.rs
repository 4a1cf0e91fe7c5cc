//! A tap on the way from a head to a client: it lets so many bytes through and then holds what
//! comes until it is opened. So a transfer stands still in its middle for as long as a test likes,
//! however fast the machine is.
//!
//! It carries TCP and knows nothing of what is in it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context;

use crate::cluster::until;

/// Bytes that are carried at once.
const CARRIED: usize = 16 << 10;

/// A tap, until it is dropped.
pub struct Tap {
    address: SocketAddr,
    flow: Arc<Flow>,
    accepting: Option<JoinHandle<()>>,
}

struct Flow {
    head: String,
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    /// Bytes that came from the head.
    passed: u64,
    /// It holds what comes behind so many; open if there is no bound.
    bound: Option<u64>,
    over: bool,
    connections: Vec<TcpStream>,
}

impl Tap {
    /// A tap in front of a head (`https://host:port`) that holds what comes behind so many bytes.
    ///
    /// # Errors
    /// If nothing can listen here.
    pub fn new(head: &str, bound: u64) -> anyhow::Result<Tap> {
        let head = head.strip_prefix("https://").context("a head's address")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let flow = Arc::new(Flow {
            head: head.into(),
            state: Mutex::new(State {
                bound: Some(bound),
                ..State::default()
            }),
            moved: Condvar::new(),
        });
        let shared = flow.clone();
        let accepting = std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { break };
                if shared.state().over {
                    break;
                }
                // A head that is not there is none for the client either.
                drop(shared.clone().connect(client));
            }
        });
        Ok(Tap {
            address,
            flow,
            accepting: Some(accepting),
        })
    }

    /// Where clients find the head.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Waits until it holds something back.
    ///
    /// # Errors
    /// If not enough comes.
    pub fn until_holding(&self) -> anyhow::Result<()> {
        until("the tap holds something", || {
            let state = self.flow.state();
            Ok(state
                .bound
                .is_some_and(|bound| state.passed >= bound)
                .then_some(()))
        })
    }

    /// Lets everything through.
    pub fn open(&self) {
        self.flow.state().bound = None;
        self.flow.moved.notify_all();
    }

    /// How many bytes came from the head.
    pub fn passed(&self) -> u64 {
        self.flow.state().passed
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut state = self.flow.state();
        state.over = true;
        for connection in &state.connections {
            // It may be over already.
            drop(connection.shutdown(Shutdown::Both));
        }
        drop(state);
        self.flow.moved.notify_all();
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            drop(accepting.join());
        }
    }
}

impl Flow {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(self: Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        let head = TcpStream::connect(&self.head)?;
        let kept = [client.try_clone()?, head.try_clone()?];
        self.state().connections.extend(kept);
        let (mut asking, mut asked) = (client.try_clone()?, head.try_clone()?);
        std::thread::spawn(move || {
            drop(std::io::copy(&mut asking, &mut asked));
            drop(asked.shutdown(Shutdown::Write));
        });
        std::thread::spawn(move || {
            drop(self.carry(head, &client));
            drop(client.shutdown(Shutdown::Both));
        });
        Ok(())
    }

    /// What the head says, as far as the tap lets it through.
    fn carry(&self, mut head: TcpStream, mut client: &TcpStream) -> std::io::Result<()> {
        let mut buffer = vec![0; CARRIED];
        loop {
            let most = self.room(CARRIED);
            if most == 0 {
                return Ok(());
            }
            let read = head.read(&mut buffer[..most])?;
            if read == 0 {
                return Ok(());
            }
            client.write_all(&buffer[..read])?;
            self.state().passed += read as u64;
        }
    }

    /// Waits until something may pass; 0 when the tap is over.
    fn room(&self, most: usize) -> usize {
        let mut state = self.state();
        loop {
            if state.over {
                return 0;
            }
            let room = state
                .bound
                .map_or(u64::MAX, |bound| bound.saturating_sub(state.passed));
            let room = usize::try_from(room).unwrap_or(most).min(most);
            if room > 0 {
                return room;
            }
            let waited = self.moved.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}
