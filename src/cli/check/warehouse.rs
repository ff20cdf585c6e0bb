//! The check of the way to the warehouse: DNS, TCP, TLS and login as separate steps.

use std::io;
use std::net::SocketAddr;

use tokio::time::{Instant, timeout_at};

use super::certificate;
use super::context::Context;
use super::explain::CheckError;
use super::request::{CheckRequest, CheckSettings};
use super::step::{CheckStep, OnStep, StepFailed};
use crate::credentials::Opening;
use crate::upstream::{Redials, Route, Unanswered, UpstreamConn, UpstreamError};

/// The parameters of the startup message: the warehouse's own lists show which sessions were
/// `check`'s.
const PARAMETERS: [(&str, &str); 2] = [("client_encoding", "UTF8"), ("application_name", "redshift-iam-proxy check")];

/// A login at a warehouse, whose steps share a deadline.
struct Dial<'a> {
    route: &'a Route,
    opening: &'a Opening,
    no_login: bool,
    /// The time at which `upstream.login_timeout` is over.
    deadline: Instant,
}

/// The step that a dial failed at, and why.
struct FailedDial {
    step: CheckStep,
    /// The error. `None`: the login's deadline passed.
    why: Option<UpstreamError>,
}

/// Proves DNS, TCP, TLS and login, and reports each.
pub(super) async fn run(
    settings: &CheckSettings<'_>,
    request: &CheckRequest<'_>,
    opening: &Opening,
    context: &Context,
    on_step: OnStep<'_>,
) -> Result<(), StepFailed> {
    let proved = prove(settings, request, opening, context, on_step).await;
    proved.map_err(|FailedDial { step, why }| {
        let error = match &why {
            Some(error) => CheckError::Warehouse(error),
            None => CheckError::LoginTimeout(settings.login_timeout),
        };
        on_step(step.failed(&error, context));
        StepFailed
    })
}

async fn prove(
    settings: &CheckSettings<'_>,
    request: &CheckRequest<'_>,
    opening: &Opening,
    context: &Context,
    on_step: OnStep<'_>,
) -> Result<(), FailedDial> {
    let ca = context.spec.as_ref().and_then(|spec| spec.ca.as_ref());
    let route = settings
        .routes
        .to(opening.addr.clone(), ca)
        .map_err(|why| {
            let step = CheckStep::new("TLS", opening.addr.server_name.as_str());
            FailedDial { step, why: Some(why) }
        })?;
    let deadline = Instant::now() + settings.login_timeout;
    let dial = Dial { route: &route, opening, no_login: request.no_login, deadline };
    let step = CheckStep::new("DNS", route.host.as_str());
    let connected_by = route.connect_deadline();
    let (step, addresses) = dial.within(step, route.resolve(connected_by)).await?;
    on_step(step.found(list(&addresses)));
    // A step that is repeated by a redial is reported once.
    let mut told = Vec::new();
    let mut on_step = |step: CheckStep| {
        if !told.contains(&step.name) {
            told.push(step.name);
            on_step(step);
        }
    };
    // A workgroup that wakes may cut logins off: sessions dial again too.
    let mut redials = Redials::default();
    loop {
        match dial.connect(&addresses, &mut on_step).await {
            Err(FailedDial { why: Some(why), .. }) if redials.take(&why).await => {}
            outcome => return outcome,
        }
    }
}

impl Dial<'_> {
    /// Makes a connection to one of the addresses, and logs in.
    async fn connect(&self, addresses: &[SocketAddr], on_step: OnStep<'_>) -> Result<(), FailedDial> {
        let route = self.route;
        let step = CheckStep::new("TCP", format!("{}:{}", route.host, route.port));
        let reached = route.reach(addresses, route.connect_deadline());
        let (step, (address, socket)) = self.within(step, reached).await?;
        let step = CheckStep { subject: address.to_string(), ..step };
        let others: Vec<_> = addresses
            .iter()
            .copied()
            .filter(|other| *other != address)
            .collect();
        on_step(step.found(silent(&route.unanswering(&others).await)));
        let step = CheckStep::new("TLS", route.server_name.to_str());
        let (step, stream) = self.within(step, route.secure(socket, address)).await?;
        let until = stream.certificate().and_then(certificate::not_after);
        on_step(step.found(match until {
            Some(day) => format!("chain and name verified, certificate valid until {day}"),
            None => "chain and name verified".to_owned(),
        }));
        if self.no_login {
            return Ok(());
        }
        let Opening { login, database, .. } = self.opening;
        let step = CheckStep::new("login", database.as_str());
        let parameters = PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (step, session) = self
            .within(step, route.log_in((address, stream), login, database, &parameters))
            .await?;
        on_step(step.found(greeting(&session, &login.user)));
        session.terminate().await;
        Ok(())
    }

    /// Does the work of a step before the login's deadline.
    async fn within<T>(
        &self,
        step: CheckStep,
        work: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<(CheckStep, T), FailedDial> {
        let began = Instant::now();
        let outcome = timeout_at(self.deadline, work).await;
        let step = step.since(began);
        match outcome {
            Ok(Ok(found)) => Ok((step, found)),
            Ok(Err(why)) => Err(FailedDial { step, why: Some(why) }),
            Err(_elapsed) => Err(FailedDial { step, why: None }),
        }
    }
}

/// Tells what the warehouse says of itself. Where it does not name the user, it is the one that the
/// login was made for.
fn greeting(session: &UpstreamConn, user: &str) -> String {
    let named = session
        .parameter("session_authorization")
        .filter(|name| !name.is_empty());
    let mut text = format!("database user {}", named.as_deref().unwrap_or(user));
    if let Some(version) = session.parameter("server_version") {
        text += &format!(", server version {version}");
    }
    match session.pid() {
        0 => text,
        pid => format!("{text}, pid {pid}"),
    }
}

/// A note of the addresses that do not answer at all, which is no failure: sessions race addresses,
/// and lose a quarter of a second to one of these. An address that refuses costs them no time.
fn silent(unanswered: &[Unanswered]) -> String {
    let is_silent = |(address, error): &Unanswered| (error.kind() == io::ErrorKind::TimedOut).then_some(*address);
    let told: Vec<_> = unanswered
        .iter()
        .filter_map(is_silent)
        .map(|address| address.to_string())
        .collect();
    match told.as_slice() {
        [] => String::new(),
        _ => format!("time-out at {}: sessions go by the address that answers", told.join(", ")),
    }
}

/// The addresses, without ports.
fn list(addresses: &[SocketAddr]) -> String {
    addresses
        .iter()
        .map(|address| address.ip().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
