use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use bailiwick_identity::rotation::KeyId;
use bailiwick_identity::{KeyType, PublicKey, Scheme, SignError, Signer};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::{KeyStore, KeyStoreError};

/// Which token of which module.
#[derive(Clone, Debug)]
pub struct Pkcs11Options {
    /// The module's library.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of its user.
    pub pin: Pin,
}

/// A PIN. It does not print.
#[derive(Clone)]
pub struct Pin(Zeroizing<String>);

impl From<String> for Pin {
    fn from(pin: String) -> Self {
        Self(Zeroizing::new(pin))
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// Keys in a hardware module: made there, sensitive, not extractable.
pub struct Pkcs11Keys {
    token: Arc<Token>,
}

/// One session, which one thread uses at a time.
struct Token {
    session: Mutex<Session>,
}

struct HeldKey {
    token: Arc<Token>,
    handle: ObjectHandle,
    public: PublicKey,
}

/// prime256v1 and secp384r1 as DER.
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];

impl Pkcs11Keys {
    /// Opens a token and logs in.
    ///
    /// # Errors
    /// When the module cannot be loaded, has no such token, or refuses the PIN.
    pub fn open(options: &Pkcs11Options) -> Result<Self, KeyStoreError> {
        let module = Pkcs11::new(&options.module)?;
        let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        unless(
            module.initialize(arguments),
            RvError::CryptokiAlreadyInitialized,
        )?;
        for slot in module.get_slots_with_initialized_token()? {
            if module.get_token_info(slot)?.label() != options.token {
                continue;
            }
            let session = module.open_rw_session(slot)?;
            let pin = AuthPin::from(options.pin.0.to_string());
            let login = session.login(UserType::User, Some(&pin));
            unless(login, RvError::UserAlreadyLoggedIn)?;
            let session = Mutex::new(session);
            let token = Arc::new(Token { session });
            return Ok(Self { token });
        }
        let message = format!("no token has the label `{}`", options.token);
        Err(KeyStoreError::Pkcs11(message))
    }

    /// A key that somebody else put there, by its label and the public half that its certificate says.
    ///
    /// # Errors
    /// When there is none, or several.
    pub(crate) fn labelled(
        &self,
        label: &str,
        public: &PublicKey,
    ) -> Result<Arc<dyn Signer>, KeyStoreError> {
        let template = [
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        let found = self.token.with(|session| session.find_objects(&template))?;
        let [handle] = found.as_slice() else {
            let message = format!("{} private keys have the label `{label}`", found.len());
            return Err(KeyStoreError::Pkcs11(message));
        };
        Ok(Arc::new(HeldKey {
            token: Arc::clone(&self.token),
            handle: *handle,
            public: public.clone(),
        }))
    }

    fn held(&self, id: &KeyId) -> Result<Option<HeldKey>, KeyStoreError> {
        self.token.with(|session| {
            let Some(handle) = find(session, id, ObjectClass::PRIVATE_KEY)? else {
                return Ok(None);
            };
            let unreadable = || KeyStoreError::Unreadable(id.clone());
            let public = find(session, id, ObjectClass::PUBLIC_KEY)?.ok_or_else(unreadable)?;
            let public = public_key(session, public)?.ok_or_else(unreadable)?;
            let token = Arc::clone(&self.token);
            Ok(Some(HeldKey {
                token,
                handle,
                public,
            }))
        })
    }
}

impl Token {
    fn with<T>(&self, use_it: impl FnOnce(&Session) -> T) -> T {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        use_it(&session)
    }
}

impl KeyStore for Pkcs11Keys {
    fn generate(&self, id: &KeyId, key_type: KeyType) -> Result<Arc<dyn Signer>, KeyStoreError> {
        let (mechanism, kind) = match key_type {
            KeyType::EcP256 => (
                Mechanism::EccKeyPairGen,
                vec![Attribute::EcParams(P256.into())],
            ),
            KeyType::EcP384 => (
                Mechanism::EccKeyPairGen,
                vec![Attribute::EcParams(P384.into())],
            ),
            KeyType::Rsa2048 => (Mechanism::RsaPkcsKeyPairGen, rsa(2048)),
            KeyType::Rsa4096 => (Mechanism::RsaPkcsKeyPairGen, rsa(4096)),
            other => return Err(KeyStoreError::Unsupported(other)),
        };
        let name = id.as_str().as_bytes().to_vec();
        let mut public = vec![
            Attribute::Token(true),
            Attribute::Verify(true),
            Attribute::Id(name.clone()),
            Attribute::Label(name.clone()),
        ];
        public.extend(kind);
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Id(name.clone()),
            Attribute::Label(name),
        ];
        self.token.with(|session| {
            if find(session, id, ObjectClass::PRIVATE_KEY)?.is_some() {
                return Err(KeyStoreError::Exists(id.clone()));
            }
            session.generate_key_pair(&mechanism, &public, &private)?;
            Ok(())
        })?;
        match self.held(id)? {
            Some(key) => Ok(Arc::new(key)),
            None => Err(KeyStoreError::Unreadable(id.clone())),
        }
    }

    fn signer(&self, id: &KeyId) -> Result<Option<Arc<dyn Signer>>, KeyStoreError> {
        let key = self.held(id)?;
        Ok(key.map(|key| Arc::new(key) as Arc<dyn Signer>))
    }

    fn remove(&self, id: &KeyId) -> Result<(), KeyStoreError> {
        self.token.with(|session| {
            for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
                if let Some(handle) = find(session, id, class)? {
                    session.destroy_object(handle)?;
                }
            }
            Ok(())
        })
    }
}

impl Signer for HeldKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let hash = |algorithm| digest::digest(algorithm, message).as_ref().to_vec();
        let (mechanism, data) = match self.public.key_type().scheme() {
            Scheme::Es256 => (Mechanism::Ecdsa, hash(&digest::SHA256)),
            Scheme::Es384 => (Mechanism::Ecdsa, hash(&digest::SHA384)),
            Scheme::Rs256 => (Mechanism::Sha256RsaPkcs, message.to_vec()),
            _ => return Err(SignError("no mechanism for this kind of key".into())),
        };
        let sign = |session: &Session| session.sign(&mechanism, self.handle, &data);
        self.token
            .with(sign)
            .map_err(|error| SignError(error.to_string()))
    }
}

/// What is so already, by an earlier call of this process, is no error.
fn unless(
    outcome: Result<(), cryptoki::error::Error>,
    fine: RvError,
) -> Result<(), cryptoki::error::Error> {
    match outcome {
        Err(cryptoki::error::Error::Pkcs11(error, _)) if error == fine => Ok(()),
        other => other,
    }
}

fn rsa(bits: u32) -> Vec<Attribute> {
    vec![
        Attribute::ModulusBits(cryptoki::types::Ulong::new(bits.into())),
        Attribute::PublicExponent(vec![1, 0, 1]),
    ]
}

fn find(
    session: &Session,
    id: &KeyId,
    class: ObjectClass,
) -> Result<Option<ObjectHandle>, KeyStoreError> {
    let template = [
        Attribute::Class(class),
        Attribute::Token(true),
        Attribute::Id(id.as_str().as_bytes().to_vec()),
    ];
    Ok(session.find_objects(&template)?.into_iter().next())
}

/// The public half, from what the token says of it.
fn public_key(session: &Session, handle: ObjectHandle) -> Result<Option<PublicKey>, KeyStoreError> {
    let wanted = [
        AttributeType::EcPoint,
        AttributeType::Modulus,
        AttributeType::PublicExponent,
    ];
    let (mut point, mut modulus, mut exponent) = (None, None, None);
    for attribute in session.get_attributes(handle, &wanted)? {
        match attribute {
            Attribute::EcPoint(bytes) => point = Some(bytes),
            Attribute::Modulus(bytes) => modulus = Some(bytes),
            Attribute::PublicExponent(bytes) => exponent = Some(bytes),
            _ => {}
        }
    }
    if let Some(point) = point.filter(|point| !point.is_empty()) {
        // An OCTET STRING around the point (PKCS#11 2.3.3); its length fits in one byte.
        return Ok(point.get(2..).and_then(PublicKey::ec));
    }
    let numbers = modulus.zip(exponent);
    Ok(numbers.and_then(|(modulus, exponent)| PublicKey::rsa(&modulus, &exponent)))
}

impl From<cryptoki::error::Error> for KeyStoreError {
    fn from(error: cryptoki::error::Error) -> Self {
        Self::Pkcs11(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::keys::conformance;

    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

    fn options() -> Pkcs11Options {
        Pkcs11Options {
            module: MODULE.into(),
            token: "bailiwick".into(),
            pin: "1234".to_owned().into(),
        }
    }

    /// SoftHSM reads its configuration from the environment, which a test cannot change for itself: the suite runs in a
    /// process of its own.
    #[test]
    fn pkcs11_keys_conform() {
        assert!(
            Path::new(MODULE).exists(),
            "SoftHSM is not installed: run `apt-get install softhsm2`"
        );
        let dir = tempfile::tempdir().unwrap();
        let tokens = dir.path().join("tokens");
        std::fs::create_dir(&tokens).unwrap();
        let config = dir.path().join("softhsm2.conf");
        let text = format!(
            "directories.tokendir = {}\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(&config, text).unwrap();
        let init = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "bailiwick"])
            .args(["--pin", "1234", "--so-pin", "4321"])
            .env("SOFTHSM2_CONF", &config)
            .output()
            .unwrap();
        assert!(
            init.status.success(),
            "{}",
            String::from_utf8_lossy(&init.stderr)
        );
        let suite = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "keys::pkcs11::tests::in_a_process_of_its_own",
            ])
            .env("SOFTHSM2_CONF", &config)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&suite.stdout);
        assert!(
            suite.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }

    #[test]
    #[ignore = "run by pkcs11_keys_conform, with the environment that it needs"]
    fn in_a_process_of_its_own() {
        let keys = Pkcs11Keys::open(&options()).unwrap();
        let token = keys.token;
        let open = || -> Box<dyn KeyStore> {
            Box::new(Pkcs11Keys {
                token: Arc::clone(&token),
            })
        };
        conformance::run(&open, &KeyType::ALL[..3]);
        let id = KeyId::new([9; 16]);
        open().generate(&id, KeyType::EcP256).unwrap();
        let handle = token.with(|session| find(session, &id, ObjectClass::PRIVATE_KEY));
        let value = token.with(|session| {
            let handle = handle.unwrap().unwrap();
            session.get_attributes(handle, &[AttributeType::Value])
        });
        assert!(value.unwrap().is_empty(), "the key leaves the token");
    }

    #[test]
    fn a_module_that_is_not_there() {
        let options = Pkcs11Options {
            module: "/nowhere.so".into(),
            ..options()
        };
        assert!(matches!(
            Pkcs11Keys::open(&options),
            Err(KeyStoreError::Pkcs11(_))
        ));
        assert!(!format!("{options:?}").contains("1234"));
    }
}
