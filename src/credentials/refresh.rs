//! Forgets what the logins of a connection were made of, at an operator's word: the next login
//! fetches all of it anew, past errors that are still remembered.

use super::login_key::LoginKey;
use super::logins::Logins;
use super::roles::SessionKey;
use crate::aws::StoredAt;
use crate::config::{ConnId, ConnSpec};

impl Logins {
    /// Forgets the logins of a connection, of all its users, with the stored values, role sessions
    /// and endpoints that they stand on. `spec` is the connection's, if it is known. Sessions that
    /// share any of these with other connections fetch it once more. Returns how many logins, role
    /// sessions and stored values were held.
    ///
    /// What others are made of goes first: a login in between makes nothing of what is about to go
    /// that is not forgotten itself. What is on its way already serves those who wait for it.
    pub(crate) fn forget(&self, conn_id: &ConnId, spec: Option<&ConnSpec>) -> usize {
        let stored = spec.map_or(0, |spec| self.forget_stored(spec));
        let keys = self.in_use.take(conn_id);
        let sessions: usize = keys.iter().map(|key| self.forget_sessions(key)).sum();
        let minted = keys.iter().filter(|key| self.minted.forget(key));
        stored + sessions + minted.count()
    }

    /// Forgets the role sessions that a login stands on, the first of the chain first. Returns how
    /// many were held.
    fn forget_sessions(&self, key: &LoginKey) -> usize {
        let home = self.calls.home(key.region.as_deref());
        let chains = std::iter::successors(Some(key.caller.clone()), |chain| chain.last().map(|(_, before)| before));
        let sessions: Vec<_> = chains
            .filter_map(|chain| SessionKey::of(&chain, home))
            .collect();
        let held = sessions
            .iter()
            .rev()
            .filter(|session| self.sessions.forget(session));
        held.count()
    }

    /// Forgets the stored values of a spec, external ids among them, and its endpoint. Returns how many
    /// values were held.
    fn forget_stored(&self, spec: &ConnSpec) -> usize {
        let home = self.calls.home(spec.region.as_deref());
        let password = spec
            .login
            .parameter()
            .map(|name| StoredAt::parameter(name, home));
        let secret = spec.login.secret_id().map(|id| StoredAt::secret(id, home));
        let external_ids = spec
            .roles
            .hops
            .iter()
            .filter_map(|hop| hop.external_id.as_ref())
            .map(|name| StoredAt::parameter(name, home));
        let held = [password, secret]
            .into_iter()
            .flatten()
            .chain(external_ids)
            .filter(|at| self.stored.forget(at))
            .count();
        let roles: Vec<_> = spec
            .roles
            .hops
            .iter()
            .map(|hop| hop.role_arn.as_str())
            .collect();
        for (key, _) in self.endpoints.snapshots() {
            if key
                .caller
                .hops
                .iter()
                .map(|hop| hop.role_arn.as_str())
                .eq(roles.iter().copied())
            {
                self.endpoints.forget(&key);
            }
        }
        held
    }
}
