//! The references whose values may change while the proxy runs: passwords, and the texts of the
//! listener's TLS. A new value goes into the [`Live`] value that the same configuration made.

use std::collections::HashSet;
use std::sync::Arc;

use tracing::info;

use crate::config::{AnyUser, Material, Password, Proof, Reference, User};
use crate::references::{BadValue, Listing, Watched};
use crate::secret::Secret;
use crate::session::revoked::revoke;
use crate::session::{Live, Shared};
use crate::startup::tls::{IdentityPem, ListenerPem, Renewed};

/// Every reference of the configuration that may change, and what is done with its new values.
pub(super) fn all(pem: &ListenerPem, live: &Arc<Live>, shared: &Arc<Shared>) -> Vec<Watched> {
    let config = &live.config;
    let users = config
        .users
        .iter()
        .flat_map(|(name, user)| passwords(name, user, live, shared));
    let any = config
        .any_user
        .iter()
        .filter_map(|any| listed(any, live, shared));
    let listen = &config.listen;
    let identity = listen.identity.as_ref().zip(pem.identity.as_ref());
    let identity = identity.and_then(|(identity, IdentityPem { cert, key })| {
        let texts = [(&identity.cert, cert), (&identity.key, key)];
        of_listener("listen.tls", &texts, live, |values| match values {
            [cert, key] => Some(Renewed::Identity(cert, key)),
            _ => None,
        })
    });
    let clients = listen.clients.as_ref().zip(pem.clients.as_ref());
    let ca = clients.and_then(|(clients, pem)| {
        let texts = [(&clients.ca, &pem.ca)];
        of_listener("listen.tls.client_ca", &texts, live, |values| values.first().map(Renewed::ClientCa))
    });
    let crl = clients.and_then(|(clients, pem)| {
        let texts = [(clients.crl.as_ref()?, pem.crl.as_ref()?)];
        of_listener("listen.tls.client_crl", &texts, live, |values| values.first().map(Renewed::ClientCrl))
    });
    users
        .chain(any)
        .chain(identity)
        .chain(ca)
        .chain(crl)
        .chain(admin_token(live))
        .collect()
}

/// The passwords of one user, each watched by itself: one that cannot be read leaves the other as
/// it is.
fn passwords(name: &str, user: &User, live: &Arc<Live>, shared: &Arc<Shared>) -> Vec<Watched> {
    let Proof::Passwords(passwords) = &user.proof else { return Vec::new() };
    let watched = passwords.iter().enumerate().filter_map(|(slot, stored)| {
        let from = stored.from.clone().filter(Reference::may_change)?;
        let (live, shared, user) = (Arc::clone(live), Arc::clone(shared), name.to_owned());
        let take = move |values: Vec<Secret>| {
            let (live, shared, user) = (Arc::clone(&live), Arc::clone(&shared), user.clone());
            async move {
                let mut is_another = false;
                for text in &values {
                    let password = Password::from_stored(text)?;
                    is_another |= live.accounts.renew(&user, slot, password).await?;
                }
                if is_another {
                    forgive(&live, &shared, &[user]);
                }
                Ok(())
            }
        };
        // A plain password was read with the configuration, and has been hashed.
        let known = match &stored.password {
            Password::Plain(password) => Some(vec![password.clone()]),
            Password::Verifier(_) | Password::Remote(_) => None,
        };
        let which = if passwords.len() > 1 { format!(" ({})", slot + 1) } else { String::new() };
        Some(Watched::new(format!("users.{name}.password{which}"), vec![from], known, take))
    });
    watched.collect()
}

/// The token of the admin address. `None`: there is none, or it cannot change.
fn admin_token(live: &Arc<Live>) -> Option<Watched> {
    let token = live.config.admin.token.as_ref()?;
    if !token.from.may_change() {
        return None;
    }
    let (from, known) = (vec![token.from.clone()], token.text.clone().map(|text| vec![text]));
    let access = Arc::clone(&live.admin);
    let take = move |values: Vec<Secret>| {
        let renewed = values.first().map_or(Ok(()), |token| access.renew(token));
        std::future::ready(renewed.map_err(BadValue::from))
    };
    Some(Watched::new("admin.token".to_owned(), from, known, take))
}

/// The path of `users."*"`. `None`: these users prove themselves by certificates.
fn listed(any: &AnyUser, live: &Arc<Live>, shared: &Arc<Shared>) -> Option<Watched> {
    let path = any.path()?.to_owned();
    let (live, shared) = (Arc::clone(live), Arc::clone(shared));
    let take = move |listing: Listing| {
        let (live, shared) = (Arc::clone(&live), Arc::clone(&shared));
        async move {
            let renewed = live.accounts.relist(listing).await?;
            forgive(&live, &shared, &renewed);
            // Whoever is no longer listed is no user any more.
            let ended = revoke(&shared.sessions, &live);
            if ended > 0 {
                info!(
                    event = "sessions revoked",
                    sessions = ended,
                    "ended sessions of users that are no longer listed"
                );
            }
            Ok(())
        }
    };
    Some(Watched::path("users.\"*\".password".to_owned(), path, take))
}

/// Forgets the wrong proofs of these users: a client that sent the new password before the proxy
/// had read it was refused, and counted.
pub(super) fn forgive(live: &Live, shared: &Shared, users: &[String]) {
    let users: HashSet<_> = users
        .iter()
        .map(|user| live.accounts.counted_as(user, user))
        .collect();
    shared.bans.forgive(&live.limits.bans, &users);
}

/// Watches one part of the listener's TLS, made of texts that are used together. `None`: one of the
/// texts cannot change.
fn of_listener(
    key: &str,
    texts: &[(&Material, &Secret)],
    live: &Arc<Live>,
    part: fn(&[Secret]) -> Option<Renewed<'_>>,
) -> Option<Watched> {
    if !texts.iter().all(|(material, _)| material.from.may_change()) {
        return None;
    }
    let from = texts
        .iter()
        .map(|(material, _)| material.from.clone())
        .collect();
    let known = texts.iter().map(|(_, text)| (*text).clone()).collect();
    let live = Arc::clone(live);
    let take = move |values: Vec<Secret>| {
        let renewed = part(&values).map_or(Ok(()), |part| live.tls.renew(&part));
        std::future::ready(renewed.map_err(BadValue::from))
    };
    Some(Watched::new(key.to_owned(), from, Some(known), take))
}
