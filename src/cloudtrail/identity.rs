//! The `userIdentity` of a record, and the principal that it names.

use serde::Deserialize;

use super::error::Malformed;
use super::lenient::{Nested, Scalar};
use super::principal::{Kind, MAX_KEY_BYTES, Principal};
use crate::sha256::sha256_start;
use crate::text::Text;

const MAX_ARN_BYTES: usize = 256;
const MAX_NAME_BYTES: usize = 128;
const SSO_ROLE_PREFIX: &str = "AWSReservedSSO_";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
pub(crate) struct UserIdentity<'a> {
    #[serde(rename = "type")]
    kind: Scalar<'a>,
    principal_id: Scalar<'a>,
    arn: Scalar<'a>,
    account_id: Scalar<'a>,
    user_name: Scalar<'a>,
    invoked_by: Scalar<'a>,
    session_context: Nested<SessionContext<'a>>,
    on_behalf_of: Nested<OnBehalfOf<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct SessionContext<'a> {
    session_issuer: Nested<SessionIssuer<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct SessionIssuer<'a> {
    principal_id: Scalar<'a>,
    arn: Scalar<'a>,
    user_name: Scalar<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "'de: 'a"))]
struct OnBehalfOf<'a> {
    user_id: Scalar<'a>,
    identity_store_arn: Scalar<'a>,
}

#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) principal: Principal,
    pub(crate) session: Option<Text>,
}

impl UserIdentity<'_> {
    pub(crate) fn account_id(&self) -> Result<Option<&str>, Malformed> {
        self.account_id.text_or_number("userIdentity.accountId")
    }

    /// `account` is the one whose secrets were asked for. It scopes the key.
    pub(crate) fn identify(&self, account: &str) -> Result<Identified, Malformed> {
        let fields = Fields::of(self)?;
        let Identity { kind, key, name, id, arn, session } = fields.identity(account);
        Ok(Identified {
            principal: Principal {
                key: bounded_key(&format!("{account}#{key}")),
                account: Text::new(account, MAX_NAME_BYTES),
                kind,
                type_name: Text::new(fields.kind.unwrap_or("unknown"), MAX_NAME_BYTES),
                id: id.map(|id| Text::new(id, MAX_NAME_BYTES)),
                arn: arn.map(|arn| Text::new(arn, MAX_ARN_BYTES)),
                name: Text::new(name, MAX_NAME_BYTES),
            },
            session: session.map(|session| Text::new(session, MAX_NAME_BYTES)),
        })
    }
}

/// The fields of a `userIdentity` that hold text.
struct Fields<'a> {
    kind: Option<&'a str>,
    principal_id: Option<&'a str>,
    arn: Option<&'a str>,
    account_id: Option<&'a str>,
    user_name: Option<&'a str>,
    invoked_by: Option<&'a str>,
    issuer_id: Option<&'a str>,
    issuer_arn: Option<&'a str>,
    issuer_name: Option<&'a str>,
    on_behalf_of: Option<(&'a str, &'a str)>,
}

/// The key of a principal's baseline, and how the principal is shown.
struct Identity<'a> {
    kind: Kind,
    key: String,
    name: &'a str,
    id: Option<&'a str>,
    arn: Option<&'a str>,
    session: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn of(identity: &'a UserIdentity<'_>) -> Result<Self, Malformed> {
        let issuer =
            identity.session_context.get().and_then(|context| context.session_issuer.get());
        let issuer_field = |of: fn(&'a SessionIssuer<'_>) -> &'a Scalar<'a>, field| {
            issuer.map_or(Ok(None), |issuer| of(issuer).text_or_number(field))
        };
        let on_behalf_of = match identity.on_behalf_of.get() {
            None => None,
            Some(person) => {
                let id = person.user_id.text_or_number("userIdentity.onBehalfOf.userId")?;
                let store = person
                    .identity_store_arn
                    .text_or_number("userIdentity.onBehalfOf.identityStoreArn")?;
                id.map(|id| (id, store.unwrap_or_default()))
            }
        };
        Ok(Self {
            kind: identity.kind.text_or_number("userIdentity.type")?,
            principal_id: identity.principal_id.text_or_number("userIdentity.principalId")?,
            arn: identity.arn.text_or_number("userIdentity.arn")?,
            account_id: identity.account_id()?,
            user_name: identity.user_name.text_or_number("userIdentity.userName")?,
            invoked_by: identity.invoked_by.text_or_number("userIdentity.invokedBy")?,
            issuer_id: issuer_field(|i| &i.principal_id, "sessionIssuer.principalId")?,
            issuer_arn: issuer_field(|i| &i.arn, "sessionIssuer.arn")?,
            issuer_name: issuer_field(|i| &i.user_name, "sessionIssuer.userName")?,
            on_behalf_of,
        })
    }

    fn identity(&self, account: &'a str) -> Identity<'a> {
        let known = match self.kind {
            Some("AssumedRole") => self.assumed_role(),
            Some("IAMUser") => self.iam_user(),
            Some("Root") => Some(self.root(account)),
            Some("FederatedUser") => self.federated_user(),
            Some("AWSAccount") => self.other_account(),
            Some("AWSService") => self.service(),
            Some("IdentityCenterUser") => self.identity_center_user(),
            _ => None,
        };
        known.unwrap_or_else(|| self.anything_else())
    }

    fn assumed_role(&self) -> Option<Identity<'a>> {
        let role_key = self.issuer_id.or(self.issuer_arn).or(self.id_before_colon())?;
        let role_name = self
            .issuer_name
            .or_else(|| self.issuer_arn.and_then(last_segment))
            .or_else(|| self.arn.and_then(|arn| arn.split('/').nth(1)));
        let session =
            self.id_after_colon().or_else(|| self.arn.and_then(|arn| arn.split('/').nth(2)));
        let person = role_name.filter(|name| name.starts_with(SSO_ROLE_PREFIX)).and(session);
        Some(Identity {
            kind: if person.is_some() { Kind::Person } else { Kind::Role },
            key: match person {
                Some(person) => format!("{role_key}:{person}"),
                None => role_key.to_owned(),
            },
            name: person.or(role_name).unwrap_or(role_key),
            id: self.issuer_id.or(self.id_before_colon()),
            arn: match person {
                // Behind a permission set the session, not the role, is the principal.
                Some(_) => self.arn.or(self.issuer_arn),
                None => self.issuer_arn.or(self.arn),
            },
            session,
        })
    }

    fn iam_user(&self) -> Option<Identity<'a>> {
        let key = self.principal_id.or(self.arn)?;
        Some(Identity {
            kind: Kind::User,
            key: key.to_owned(),
            name: self.user_name.or_else(|| self.arn.and_then(last_segment)).unwrap_or(key),
            id: self.principal_id,
            arn: self.arn,
            session: None,
        })
    }

    fn root(&self, account: &'a str) -> Identity<'a> {
        let account = self.account_id.unwrap_or(account);
        Identity {
            kind: Kind::Root,
            key: format!("{account}:root"),
            name: account,
            id: self.principal_id,
            arn: self.arn,
            session: None,
        }
    }

    fn federated_user(&self) -> Option<Identity<'a>> {
        let name = self.id_after_colon().or_else(|| self.arn.and_then(last_segment))?;
        let issuer = self.issuer_id.or(self.issuer_arn).or(self.id_before_colon())?;
        Some(Identity {
            kind: Kind::Federated,
            key: format!("{issuer}:{name}"),
            name: self.arn.unwrap_or(name),
            id: self.issuer_id,
            arn: self.arn,
            session: Some(name),
        })
    }

    fn other_account(&self) -> Option<Identity<'a>> {
        let account = self.account_id?;
        Some(Identity {
            kind: Kind::Account,
            key: match self.id_before_colon() {
                Some(id) => format!("{account}:{id}"),
                None => account.to_owned(),
            },
            name: account,
            id: self.id_before_colon(),
            arn: self.arn,
            session: self.id_after_colon(),
        })
    }

    fn service(&self) -> Option<Identity<'a>> {
        let service = self.invoked_by?;
        Some(Identity {
            kind: Kind::Service,
            key: format!("service:{service}"),
            name: service,
            id: None,
            arn: None,
            session: None,
        })
    }

    fn identity_center_user(&self) -> Option<Identity<'a>> {
        let (user, store) = self.on_behalf_of?;
        Some(Identity {
            kind: Kind::Person,
            key: format!("{user}:{store}"),
            name: user,
            id: Some(user),
            arn: self.arn,
            session: None,
        })
    }

    fn anything_else(&self) -> Identity<'a> {
        let key = self.principal_id.or(self.arn).or(self.account_id).unwrap_or("unknown");
        Identity {
            kind: Kind::Other,
            key: key.to_owned(),
            name: self
                .user_name
                .or(self.issuer_name)
                .or(self.arn)
                .or(self.invoked_by)
                .unwrap_or(key),
            id: self.principal_id,
            arn: self.arn,
            session: None,
        }
    }

    fn id_before_colon(&self) -> Option<&'a str> {
        let id = self.principal_id?;
        let (before, _) = id.split_once(':').unwrap_or((id, ""));
        (!before.is_empty()).then_some(before)
    }

    fn id_after_colon(&self) -> Option<&'a str> {
        self.principal_id?.split_once(':').map(|(_, after)| after).filter(|after| !after.is_empty())
    }
}

fn last_segment(arn: &str) -> Option<&str> {
    arn.rsplit_once('/').map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// A key that fits a partition key. A digest keeps two long keys apart.
fn bounded_key(key: &str) -> Text {
    const DIGEST_HEX: usize = 16;
    if crate::text::printable(key).len() <= MAX_KEY_BYTES {
        return Text::new(key, MAX_KEY_BYTES);
    }
    let digest = u64::from_be_bytes(sha256_start(key));
    let start = Text::new(key, MAX_KEY_BYTES - DIGEST_HEX - 1);
    Text::new(&format!("{start}~{digest:016x}"), MAX_KEY_BYTES)
}
