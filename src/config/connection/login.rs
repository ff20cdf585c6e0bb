//! The fields of a connection that say who logs in: by a stored password, or by IAM credentials for
//! one database user or for each client.

use super::kind::{Identity, Warehouse, is_of_another};
use super::spec::{LoginAs, LoginFrom, Roles};
use crate::config::reader::{Table, Value, if_given};
use crate::config::value;

/// The fields about the login. A field that was refused has the value that it has where it is
/// missing.
pub(super) struct LoginFields<'a> {
    user: Option<String>,
    password: Option<String>,
    secret_id: Option<String>,
    /// `identity`; `Shared` where it was refused.
    pub(super) identity: Identity,
    auto_create: bool,
    db_groups: Vec<String>,
    given: Given<'a>,
    /// Whether none of the fields was refused.
    is_sound: bool,
}

/// The keys about the users of a provisioned cluster, as they stand in the spec.
pub(super) struct ClusterUsers {
    /// The value of `auto_create`: whether a login makes a database user that is missing.
    pub(super) auto_create: bool,
    /// The value of `db_groups`: the database groups that a login joins.
    pub(super) db_groups: Vec<String>,
}

/// The values of the fields, for messages about them.
struct Given<'a> {
    user: Option<Value<'a>>,
    password: Option<Value<'a>>,
    secret_id: Option<Value<'a>>,
    identity: Option<Value<'a>>,
    /// The key that needs a user: `auto_create = true`, or `db_groups`.
    of_user: Option<Value<'a>>,
}

impl<'a> LoginFields<'a> {
    /// Takes the fields out of the table and reads each by itself.
    pub(super) fn read(table: &mut Table<'a>, warehouse: Option<Warehouse>) -> Self {
        let mut take = |name| table.take(name);
        let mut given = Given {
            user: take("user"),
            password: take("password"),
            secret_id: take("secret_id"),
            identity: take("identity"),
            of_user: None,
        };
        let words = [("shared", Identity::Shared), ("per-user", Identity::PerUser)];
        let user = if_given(given.user.as_ref(), |place| place.parse(value::warehouse_user));
        let password = if_given(given.password.as_ref(), |place| place.parse(value::parameter));
        let secret_id = if_given(given.secret_id.as_ref(), |place| place.parse(value::secret_id));
        let identity = if_given(given.identity.as_ref(), |place| place.choice(&words));
        let (auto_place, groups_place) = (take("auto_create"), take("db_groups"));
        let foreign = [&auto_place, &groups_place].into_iter().flatten();
        let is_foreign = foreign
            .filter(|place| is_of_another(place, warehouse, Warehouse::Provisioned))
            .count()
            > 0;
        let auto_create = if_given(auto_place.as_ref(), Value::bool);
        let db_groups = if_given(groups_place.as_ref(), |place| {
            let groups = place.texts(value::db_group);
            place
                .list()
                .filter(|list| list.len() == groups.len())
                .map(|_| groups)
        });
        let is_sound = user.is_ok()
            && password.is_ok()
            && secret_id.is_ok()
            && identity.is_ok()
            && auto_create.is_ok()
            && db_groups.is_ok()
            && !is_foreign;
        if !is_foreign {
            given.of_user = groups_place.or(auto_place.filter(|_| matches!(auto_create, Ok(Some(true)))));
        }
        // lava overwrites the user of a workgroup's IAM credentials with the one that the API
        // answers with.
        let overwritten =
            warehouse == Some(Warehouse::Serverless) && given.password.is_none() && given.secret_id.is_none();
        Self {
            user: user.ok().flatten().filter(|_| !overwritten),
            password: password.ok().flatten(),
            secret_id: secret_id.ok().flatten(),
            identity: identity.ok().flatten().unwrap_or(Identity::Shared),
            auto_create: auto_create.ok().flatten().unwrap_or(false),
            db_groups: db_groups.ok().flatten().unwrap_or_default(),
            given,
            is_sound,
        }
    }

    /// Whether there is a secret, which may hold what the spec lacks.
    pub(super) fn has_secret(&self) -> bool {
        self.given.secret_id.is_some()
    }

    /// Whether IAM credentials are certain: nothing that could hold a password is named.
    pub(super) fn is_iam(&self) -> bool {
        self.given.password.is_none() && !self.has_secret()
    }

    /// Whether IAM credentials may be asked for: a secret may turn out to hold no password.
    pub(super) fn may_be_iam(&self) -> bool {
        self.given.password.is_none()
    }

    /// Reports fields that lack another one, or contradict it.
    pub(super) fn check(&mut self, warehouse: Option<Warehouse>, roles: Option<&Roles>) {
        let may_have_user = self.given.user.is_some() || self.has_secret();
        if let Some(password) = self.given.password.as_ref().filter(|_| !may_have_user) {
            password.report("needs user beside it, or a secret_id that has one");
            self.is_sound = false;
        }
        let per_user = self.identity == Identity::PerUser;
        if let Some(place) = self
            .given
            .of_user
            .as_ref()
            .filter(|_| !may_have_user && !per_user)
        {
            place.report("needs user, or identity = \"per-user\"");
            self.is_sound = false;
        }
        if per_user && let Some(why) = self.against_per_user(warehouse, roles) {
            if let Some(place) = &self.given.identity {
                place.report(why);
            }
            self.is_sound = false;
        }
        if per_user
            && warehouse == Some(Warehouse::Provisioned)
            && let Some(user) = &self.given.user
        {
            user.warn("without effect: identity is per-user");
        }
    }

    fn against_per_user(&self, warehouse: Option<Warehouse>, roles: Option<&Roles>) -> Option<&'static str> {
        if self.given.password.is_some() {
            return Some("per-user needs IAM credentials; password is one login for all");
        }
        let roles = roles.filter(|_| warehouse == Some(Warehouse::Serverless))?;
        match roles.hops.len() {
            0 => Some("per-user needs role_arn"),
            1 if roles.web_identity_token_file.is_some() => {
                Some("per-user needs session tags, which a web identity cannot have: add a second role to role_arn")
            }
            _ => None,
        }
    }

    /// Reads what the fields say together. `None`: a problem was reported.
    pub(super) fn sound(self) -> Option<(LoginFrom, ClusterUsers)> {
        let Self { user, password, secret_id, identity, auto_create, db_groups, is_sound, .. } = self;
        let login_as = |user| match identity {
            Identity::Shared => LoginAs::Shared { user },
            Identity::PerUser => LoginAs::PerUser,
        };
        let login = match (password, secret_id) {
            (Some(name), secret_id) => LoginFrom::Parameter { name, user, secret_id },
            (None, Some(id)) => LoginFrom::Secret { id, login_as: login_as(user) },
            (None, None) => LoginFrom::Iam(login_as(user)),
        };
        is_sound.then_some((login, ClusterUsers { auto_create, db_groups }))
    }
}
