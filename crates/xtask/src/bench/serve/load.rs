//! Load, by as many connections as a large API server opens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustls::ClientConfig;

use super::connection::Connection;
use super::wire::Request;
use crate::bench::figures::Times;

/// Connections.
const CONNECTIONS: usize = 4;
/// Requests under way at once on each of them, where the next is sent when one is answered.
const AT_ONCE: usize = 32;

/// How long a server may be behind.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of a load.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) times: Times,
    pub(super) answers: usize,
    pub(super) rate: f64,
}

/// Connections to one server.
pub(super) struct Load(Vec<Connection>);

impl Load {
    pub(super) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Result<Self> {
        let connections = (0..CONNECTIONS).map(|_| Connection::open(address, config));
        connections.collect::<Result<_>>().map(Self)
    }

    /// As many requests as the server answers, each sent when another is answered.
    pub(super) fn closed(&self, requests: &[Request], lasts: Duration) -> Result<Outcome> {
        let start = Instant::now();
        let outcomes = thread::scope(|scope| {
            let of = |(number, connection): (usize, &'_ Connection)| {
                // Each begins elsewhere.
                let requests = requests.iter().cycle().skip(number * requests.len() / 4);
                let mut requests = requests.map(|request| (request, Instant::now()));
                let mut outcome = Outcome::default();
                connection.send(requests.by_ref().take(AT_ONCE))?;
                while connection.open_requests() > 0 {
                    let told = outcome.take(connection)?;
                    if start.elapsed() < lasts {
                        connection.send(requests.by_ref().take(told))?;
                    }
                }
                Ok(outcome)
            };
            let all = self.0.iter().enumerate();
            joined(all.map(|one| scope.spawn(move || of(one))).collect())
        })?;
        Ok(Outcome::of(outcomes, start.elapsed()))
    }

    /// So many requests a second, whether others are answered or not.
    pub(super) fn open(&self, requests: &[Request], rate: u32, lasts: Duration) -> Result<Outcome> {
        let (start, ended) = (Instant::now(), AtomicBool::new(false));
        let outcomes = thread::scope(|scope| {
            let ended = &ended;
            let of = |connection: &Connection| {
                let mut outcome = Outcome::default();
                while connection.open_requests() > 0 || !ended.load(Ordering::Relaxed) {
                    outcome.take(connection)?;
                }
                Ok(outcome)
            };
            let receivers = self.0.iter().map(|one| scope.spawn(move || of(one)));
            let receivers = receivers.collect();
            let sent = self.send_in_time(requests, rate, start, lasts);
            ended.store(true, Ordering::Relaxed);
            sent?;
            joined(receivers)
        })?;
        Ok(Outcome::of(outcomes, start.elapsed()))
    }

    fn send_in_time(
        &self,
        requests: &[Request],
        rate: u32,
        start: Instant,
        lasts: Duration,
    ) -> Result<()> {
        let due = |number: u32| start + Duration::from_secs(1) * number / rate;
        let all = requests.iter().cycle().zip(self.0.iter().cycle());
        for (number, (request, connection)) in (0..).zip(all) {
            let at = due(number);
            if at.saturating_duration_since(start) >= lasts {
                break;
            }
            let early = at.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                thread::sleep(early);
            }
            while connection.send([(request, at)])? == 0 {
                ensure!(start.elapsed() < PATIENCE, "the server answers no more");
                thread::sleep(Duration::from_micros(100));
            }
        }
        Ok(())
    }
}

fn joined(threads: Vec<thread::ScopedJoinHandle<'_, Result<Outcome>>>) -> Result<Vec<Outcome>> {
    let joined = threads.into_iter().map(|thread| match thread.join() {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    });
    joined.collect()
}

impl Outcome {
    /// Takes what has come on a connection; gives how many answers.
    fn take(&mut self, connection: &Connection) -> Result<usize> {
        let told = connection.receive()?;
        for one in &told {
            ensure!(
                one.ok,
                "not answered: {}",
                String::from_utf8_lossy(&one.body)
            );
            self.times.push(one.took);
        }
        self.answers += told.len();
        Ok(told.len())
    }

    fn of(all: Vec<Self>, lasted: Duration) -> Self {
        let mut sum = Self::default();
        for one in all {
            sum.answers += one.answers;
            sum.times.extend(one.times);
        }
        sum.rate = sum.answers as f64 / lasted.as_secs_f64();
        sum
    }
}
