//! Access tokens of an outside issuer: signature and claims. No input or output here.

use std::collections::{BTreeMap, BTreeSet};

use drawbridge_core::{call::Person, file::OidcFile};
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, DecodingKey, Header, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde_json::{Map, Value};

use super::{Named, SignInError, Unidentified, bind::Signed};

/// The most keys of one issuer.
const MOST_KEYS: usize = 100;
/// The most keys a token without a key id is tried with.
const MOST_TRIES: usize = 8;
/// Digits of the shortest RSA modulus, in base64: 2048 bits.
const SHORTEST_MODULUS: usize = 341;
/// The longest person, client, group or attribute.
const LONGEST_NAME: usize = 256;
/// The most groups of one person.
const MOST_GROUPS: usize = 2_000;
/// Kinds of tokens that are taken. ID tokens and others are told apart by their audience.
const TYPES: [&str; 4] = [ACCESS[0], ACCESS[1], "jwt", "application/jwt"];
/// Kinds of tokens that are for access, and never say who signed in.
const ACCESS: [&str; 2] = ["at+jwt", "application/at+jwt"];

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// One of the issuer's keys.
pub(super) struct Key {
    id: Option<String>,
    key: DecodingKey,
    /// What it may have signed with. Never a shared secret, never `none`.
    algorithms: Vec<Algorithm>,
}

/// What the head of a token says, before anything is proven.
pub(super) struct Head(Header);

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) oidc: &'a OidcFile,
    pub(super) audiences: &'a [String],
    pub(super) now: Timestamp,
}

/// The keys of a JWKS that can have signed an access token.
pub(super) fn keys(set: &Value) -> Vec<Key> {
    let list = set.get("keys").and_then(Value::as_array);
    let keys = list.into_iter().flatten().take(MOST_KEYS);
    keys.filter_map(|key| Key::read(serde_json::from_value(key.clone()).ok()?))
        .collect()
}

impl Key {
    fn read(jwk: Jwk) -> Option<Self> {
        if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
            return None;
        }
        let mut algorithms = match &jwk.algorithm {
            AlgorithmParameters::RSA(key) if key.n.len() >= SHORTEST_MODULUS => RSA.to_vec(),
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => vec![Algorithm::ES256],
                EllipticCurve::P384 => vec![Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                vec![Algorithm::EdDSA]
            }
            // INVARIANT: a shared secret never verifies, so that a public key cannot be used as one.
            _ => return None,
        };
        if let Some(only) = jwk.common.key_algorithm {
            let only: Algorithm = only.to_string().parse().ok()?;
            algorithms.retain(|algorithm| *algorithm == only);
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty()).then_some(Self {
            id: jwk.common.key_id,
            key,
            algorithms,
        })
    }
}

impl Head {
    /// Reads the head; keys and addresses inside it are never used.
    pub(super) fn read(token: &str) -> Option<Self> {
        let head = decode_header(token).ok()?;
        let typed = head
            .typ
            .as_deref()
            .is_none_or(|found| TYPES.iter().any(|known| known.eq_ignore_ascii_case(found)));
        // What is critical and not understood here must not be passed over.
        (typed && head.crit.is_none()).then_some(Self(head))
    }

    /// Whether it calls itself an access token.
    pub(super) fn is_for_access(&self) -> bool {
        let typed = self.0.typ.as_deref();
        typed.is_some_and(|found| ACCESS.iter().any(|known| known.eq_ignore_ascii_case(found)))
    }

    /// Whether one of these keys may have signed it.
    pub(super) fn fits_one(&self, keys: &[Key]) -> bool {
        keys.iter().any(|key| self.fits(key))
    }

    fn fits(&self, key: &Key) -> bool {
        let named = self.0.kid.is_none() || self.0.kid == key.id;
        named && key.algorithms.contains(&self.0.alg)
    }

    /// The claims, if one of these keys signed the token.
    pub(super) fn claims(&self, token: &str, keys: &[Key]) -> Option<Map<String, Value>> {
        // Time, audience and issuer are checked below, by the gateway's own clock.
        let mut validation = Validation::new(self.0.alg);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        keys.iter()
            .filter(|key| self.fits(key))
            .take(MOST_TRIES)
            .find_map(|key| decode(token, &key.key, &validation).ok())
            .map(|data| data.claims)
    }
}

/// Whose token it is, if its claims say what they must.
pub(super) fn signed(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<Signed, Unidentified> {
    let oidc = expected.oidc;
    if !in_time(claims, expected) || !made_for_us(claims, expected) {
        return Err(Unidentified::Invalid);
    }
    let person = person(claims, oidc).ok_or(Unidentified::Invalid)?;
    let client = name(claims, &oidc.claims.client)
        .or_else(|| name(claims, "azp"))
        .ok_or(Unidentified::Invalid)?;
    let granted = scopes(claims);
    if !oidc
        .scopes
        .iter()
        .all(|scope| granted.contains(scope.as_str()))
    {
        return Err(Unidentified::Scope);
    }
    Ok(Signed {
        named: Named {
            person,
            client,
            token: None,
        },
        subject: name(claims, "sub"),
    })
}

/// Who signed in, if an ID token was made for this client, in answer to this nonce.
///
/// The client is the audience that is expected, and the only one that is: a token that others may
/// use too says by `azp` that it was made for it.
pub(super) fn signed_in(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    (client, nonce): (&str, &str),
) -> Result<Signed, SignInError> {
    let says =
        |claim: &str, wanted: &str| claims.get(claim).and_then(Value::as_str) == Some(wanted);
    let several = claims
        .get("aud")
        .and_then(Value::as_array)
        .is_some_and(|audiences| audiences.len() > 1);
    let made_for_it = says("azp", client) || (!several && !claims.contains_key("azp"));
    let whole = claims.contains_key("iat") && name(claims, "sub").is_some();
    let good = in_time(claims, expected) && made_for_us(claims, expected);
    if !(good && whole && made_for_it && says("nonce", nonce)) {
        return Err(SignInError::Token);
    }
    let unnamed = || SignInError::Unnamed(expected.oidc.claims.person.clone());
    Ok(Signed {
        named: Named {
            person: person(claims, expected.oidc).ok_or_else(unnamed)?,
            client: client.to_owned(),
            token: None,
        },
        subject: name(claims, "sub"),
    })
}

fn in_time(claims: &Map<String, Value>, expected: &Expected<'_>) -> bool {
    let skew = expected.oidc.clock_skew.duration().as_secs_f64();
    let now = expected.now.as_duration().as_secs_f64();
    let time = |claim: &str| match claims.get(claim) {
        None => Some(None),
        // A time that is no number is a defect, not an absence.
        Some(value) => value.as_f64().filter(|time| time.is_finite()).map(Some),
    };
    let (Some(expires), Some(not_before), Some(issued)) = (time("exp"), time("nbf"), time("iat"))
    else {
        return false;
    };
    expires.is_some_and(|expires| now < expires + skew)
        && not_before.is_none_or(|not_before| not_before <= now + skew)
        && issued.is_none_or(|issued| issued <= now + skew)
}

fn made_for_us(claims: &Map<String, Value>, expected: &Expected<'_>) -> bool {
    let issuer = claims.get("iss").and_then(Value::as_str);
    let ours = |value: &Value| {
        value
            .as_str()
            .is_some_and(|audience| expected.audiences.iter().any(|own| own == audience))
    };
    issuer == Some(expected.oidc.issuer.as_str())
        && match claims.get("aud") {
            Some(Value::Array(list)) => list.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
}

fn person(claims: &Map<String, Value>, oidc: &OidcFile) -> Option<Person> {
    // An address that nobody has confirmed may be somebody else's. An issuer that does not say so
    // has not confirmed it.
    let verified = || claims.get("email_verified") == Some(&Value::Bool(true));
    if oidc.claims.person == "email" && !verified() {
        return None;
    }
    let id = name(claims, &oidc.claims.person)?;
    let groups: BTreeSet<String> = match claim(claims, &oidc.claims.groups) {
        None | Some(Value::Null) => BTreeSet::new(),
        Some(Value::String(group)) => [group.clone()].into(),
        Some(Value::Array(list)) if list.len() <= MOST_GROUPS => list
            .iter()
            .map(|group| group.as_str().map(str::to_owned))
            .collect::<Option<_>>()?,
        Some(_) => return None,
    };
    let mut attributes = BTreeMap::new();
    for (attribute, from) in &oidc.claims.attributes {
        let value = match claim(claims, from) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(other @ (Value::Number(_) | Value::Bool(_))) => other.to_string(),
            Some(Value::Array(_) | Value::Object(_)) => return None,
        };
        attributes.insert(attribute.clone(), value);
    }
    Some(Person {
        id,
        groups,
        attributes,
    })
}

fn scopes(claims: &Map<String, Value>) -> BTreeSet<&str> {
    let mut scopes = BTreeSet::new();
    for claim in ["scope", "scp"] {
        match claims.get(claim) {
            Some(Value::String(text)) => scopes.extend(text.split_ascii_whitespace()),
            Some(Value::Array(list)) => scopes.extend(list.iter().filter_map(Value::as_str)),
            _ => {}
        }
    }
    scopes
}

fn name(claims: &Map<String, Value>, path: &str) -> Option<String> {
    let text = claim(claims, path)?.as_str()?;
    let good = !text.trim().is_empty()
        && text.len() <= LONGEST_NAME
        && !text.chars().any(char::is_control);
    good.then(|| text.to_owned())
}

/// A claim by its whole name, else by a path of names: `realm_access.roles`.
fn claim<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    claim(claims.get(first)?.as_object()?, rest)
}

#[cfg(test)]
mod tests;
