//! Who was refused, and under which key its baseline is kept.
//!
//! Sessions come and go, and their names are chosen by whoever assumes the role: a
//! baseline for each session would never form, and an attacker could start a new one
//! at will. The role is the principal; its session is shown. Only behind IAM Identity
//! Center is the session the person, who cannot choose its name.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// Longest baseline key, in bytes. A longer one keeps its start and a digest.
pub const MAX_KEY_BYTES: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    Role,
    /// A person behind IAM Identity Center.
    Person,
    User,
    Root,
    Federated,
    /// A principal of another account.
    Account,
    Service,
    Other,
}

impl Kind {
    /// The word before the name in a title.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Person => "person",
            Self::User => "user",
            Self::Root => "root user of",
            Self::Federated => "federated user",
            Self::Account => "account",
            Self::Service => "service",
            Self::Other => "principal",
        }
    }
}

/// A principal as its baseline sees it: the same for all of its sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Principal {
    pub(super) key: Text,
    pub(super) account: Text,
    pub(super) kind: Kind,
    pub(super) type_name: Text,
    pub(super) id: Option<Text>,
    pub(super) arn: Option<Text>,
    pub(super) name: Text,
}

impl Principal {
    /// The baseline's key: `<recipientAccountId>#<principal key>`.
    pub fn key(&self) -> &Text {
        &self.key
    }

    /// Account whose secrets were asked for.
    pub fn account(&self) -> &Text {
        &self.account
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// CloudTrail's `userIdentity.type`.
    pub fn type_name(&self) -> &Text {
        &self.type_name
    }

    /// AWS's unique id of it: `AROA…` of a role, `AIDA…` of a user.
    pub fn id(&self) -> Option<&Text> {
        self.id.as_ref()
    }

    /// Of a role that of the role, not of its session, where the record names it.
    pub fn arn(&self) -> Option<&Text> {
        self.arn.as_ref()
    }

    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The names by which a setting may mean this principal in that session: its ARN, the ARN of
    /// a role's session, and `service:` with a service's name. Without any of these, its key.
    pub fn names(&self, session: Option<&Text>) -> Vec<String> {
        let mut names: Vec<String> = self.arn.iter().map(Text::to_string).collect();
        if self.kind == Kind::Service {
            names.push(format!("service:{}", self.name));
        }
        if let (Kind::Role, Some(arn), Some(session)) = (self.kind, &self.arn, session) {
            let mut parts = arn.as_str().split(':');
            if let (Some(partition), Some("iam"), Some(account)) =
                (parts.nth(1), parts.next(), parts.nth(1))
            {
                let role = &self.name;
                names.push(format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session}"));
            }
        }
        if names.is_empty() {
            names.push(self.key.to_string());
        }
        names
    }

    /// The glob that means this principal in all of its sessions.
    pub fn glob(&self) -> String {
        let name = self.names(None).swap_remove(0);
        match (self.kind, name.rsplit_once('/')) {
            (Kind::Role, Some((role, _session))) if role.contains(":assumed-role/") => {
                format!("{role}/*")
            }
            // The caller chose this name, and no reader should find a link in it.
            (Kind::Federated | Kind::Other, _) => name.replace("://", "???").replace('.', "?"),
            _ => name,
        }
    }

    /// Kind and name: `role ci-deploy`.
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.noun(), self.shown(&self.name))
    }

    /// The key, to show to a reader.
    pub fn shown_key(&self) -> Cow<'_, str> {
        self.shown(&self.key)
    }

    /// A caller chooses the name of a federated session, so links in it are broken.
    fn shown<'a>(&self, text: &'a Text) -> Cow<'a, str> {
        match self.kind {
            Kind::Federated | Kind::Other => text.without_links(),
            _ => Cow::Borrowed(text.as_str()),
        }
    }
}
