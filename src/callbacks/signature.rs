//! Secrets and signatures of Standard Webhooks.
//!
//! ```text
//! secret     whsec_ base64 of 32 random bytes
//! signature  v1, base64 of HMAC-SHA256(secret, id . timestamp . body), one for each secret
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// Random bytes of a secret that is made here.
const RANDOM_BYTES: usize = 32;

/// By what callbacks are signed; never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct CallbackSecret(Box<[u8]>);

impl CallbackSecret {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(rand::random::<[u8; RANDOM_BYTES]>().into())
    }

    /// Its bytes as they were kept.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Its bytes, to be sealed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As its receiver holds it.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for CallbackSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackSecret(…)")
    }
}

/// The header `webhook-signature` of a body that is sent at `timestamp` (seconds since 1970).
#[must_use]
pub fn sign(secrets: &[CallbackSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let one = |secret: &CallbackSecret| {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &secret.0));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_published_libraries() {
        // From their own tests.
        let bytes = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = CallbackSecret::of(&bytes);
        assert_eq!(secret.expose(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let sign = |secrets: &[_]| {
            self::sign(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#)
        };
        assert_eq!(sign(std::slice::from_ref(&secret)), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = sign(&[CallbackSecret::generate(), secret]);
        assert!(both.ends_with(" v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), "{both}");
    }

    #[test]
    fn a_secret_is_new_each_time_and_never_shown() {
        let (one, other) = (CallbackSecret::generate(), CallbackSecret::generate());
        assert!(one != other && one.bytes().len() == RANDOM_BYTES);
        assert_eq!(format!("{one:?}"), "CallbackSecret(…)");
    }
}
