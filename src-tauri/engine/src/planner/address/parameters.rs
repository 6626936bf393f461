//! What becomes of each parameter of an address. None is silently ignored: each leaves a note.

use super::{not_an_address, note};
use crate::domain::{
    Failure,
    address::{Address, ParameterNote, TlsMode, TlsRoots},
    secret::Secret,
};

/// Which grammar the text had; it decides what `sslcert` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `postgresql://…`
    Url,
    /// `key=value …`
    Pairs,
}

/// The pieces collected so far.
pub(super) struct Draft {
    form: Form,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) connect_timeout: Option<u32>,
    pub(super) pgbouncer: bool,
    pub(super) settings: Vec<(String, String)>,
    pub(super) notes: Vec<ParameterNote>,
    pub(super) warnings: Vec<String>,
    sslmode: Option<String>,
    sslaccept: Option<String>,
    sslcert: Option<String>,
    sslrootcert: Option<String>,
    has_client_key: bool,
}

/// Parameters that may hold an `@` and come first in a query.
pub(super) fn is_known(name: &str) -> bool {
    matches!(
        name,
        "user"
            | "password"
            | "host"
            | "hostaddr"
            | "port"
            | "dbname"
            | "schema"
            | "options"
            | "application_name"
            | "sslmode"
            | "sslcert"
            | "sslrootcert"
            | "sslkey"
            | "sslidentity"
            | "sslpassword"
            | "connect_timeout"
            | "pgbouncer"
            | "search_path"
            | "currentSchema"
            | "service"
            | "passfile"
    )
}

impl Draft {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            host: None,
            port: None,
            user: None,
            password: None,
            database: None,
            schema: None,
            connect_timeout: None,
            pgbouncer: false,
            settings: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            sslmode: None,
            sslaccept: None,
            sslcert: None,
            sslrootcert: None,
            has_client_key: false,
        }
    }

    /// Adds a note; a later one about the same parameter replaces the earlier.
    pub(super) fn note(&mut self, name: &str, effect: impl Into<String>, used: bool) {
        self.notes.retain(|note| note.name != name);
        self.notes.push(note(name, effect, used));
    }

    pub(super) fn set_port(&mut self, text: &str) -> Result<(), Failure> {
        match text.parse::<u16>() {
            Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => {
                self.port = Some(port);
                Ok(())
            }
            _ if text.contains(',') => Err(not_an_address("It names several ports; Drydock works on exactly one server.")),
            // Not repeated: in a badly encoded address it may be a piece of the password.
            _ => Err(not_an_address("The port is not a number from 1 to 65535.")
                .next("If the password holds one of @ : / ? # %, write it percent-encoded or enter it in its own field.")),
        }
    }

    /// Takes one parameter. Fails only where going on would mean another server or a wrong meaning.
    pub(super) fn apply(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        if value.contains('\0') {
            return Err(not_an_address("A parameter holds a NUL character."));
        }
        match name {
            "user" => {
                self.user = Some(value.to_owned());
                self.note(name, "The user name.", true);
            }
            "password" => {
                self.password = Some(Secret::new(value));
                self.note(name, "The password; it goes to the keyring.", true);
            }
            "dbname" if value.contains("://") || value.contains('=') => {
                return Err(not_an_address("`dbname` holds another address.").next("Paste that address by itself."));
            }
            "dbname" => {
                self.database = Some(value.to_owned());
                self.note(name, "The database's name.", true);
            }
            "port" => {
                self.set_port(value)?;
                self.note(name, "The port.", true);
            }
            "host" => {
                let kind = if value.starts_with('/') { "The folder of the unix socket." } else { "The host; it takes the place of the one in front." };
                self.host = Some(value.trim_start_matches('[').trim_end_matches(']').to_owned());
                self.note(name, kind, true);
            }
            "hostaddr" if self.host.as_deref().unwrap_or_default().is_empty() => {
                self.host = Some(value.to_owned());
                self.note(name, "The IP address to connect to.", true);
            }
            "hostaddr" => self.note(name, "Drydock looks the host's name up itself, so that the certificate is checked against the name.", false),
            "schema" => {
                self.schema = Some(value.to_owned());
                self.note(name, "The schema of the migrations; unqualified names are looked for there.", true);
            }
            "currentSchema" | "search_path" => self.search_path(name, value),
            "options" => self.options(value),
            "connect_timeout" => self.timeout(name, value),
            "pgbouncer" => {
                self.pgbouncer = !matches!(value.to_ascii_lowercase().as_str(), "false" | "0" | "no" | "off");
                let effect = if self.pgbouncer {
                    "Prisma's sign of a transaction pooler: Drydock treats the address as one and asks for the direct address."
                } else {
                    "No pooler, says the address; the doctor checks it by behaviour."
                };
                self.note(name, effect, true);
            }
            "sslmode" => self.sslmode = Some(value.to_ascii_lowercase()),
            "ssl" => {
                let on = !matches!(value.to_ascii_lowercase().as_str(), "false" | "0" | "no");
                if self.sslmode.is_none() {
                    self.sslmode = Some(if on { "require" } else { "disable" }.to_owned());
                }
                self.note(name, "Read like sslmode=require or sslmode=disable; see Encryption.", true);
            }
            "requiressl" => {
                if value == "1" && self.sslmode.is_none() {
                    self.sslmode = Some("require".to_owned());
                }
                self.note(name, "An old form of sslmode; see Encryption.", true);
            }
            "sslaccept" => self.sslaccept = Some(value.to_ascii_lowercase()),
            "sslcert" => self.sslcert = Some(value.to_owned()),
            "sslrootcert" => self.sslrootcert = Some(value.to_owned()),
            "sslkey" => {
                self.has_client_key = true;
                self.client_certificate(name);
            }
            "sslidentity" | "sslpassword" => self.client_certificate(name),
            _ => self.without_effect(name, value),
        }
        Ok(())
    }

    fn client_certificate(&mut self, name: &str) {
        self.note(name, "Login by client certificate is not supported yet; it has no effect.", false);
        let warning = "The address asks for login by a client certificate, which Drydock does not support yet. If the server \
                       insists on it, the test will say so.";
        if !self.warnings.iter().any(|w| w == warning) {
            self.warnings.push(warning.to_owned());
        }
    }

    fn search_path(&mut self, name: &str, value: &str) {
        let first = value.split(',').next().unwrap_or_default().trim().trim_matches('"').to_owned();
        if value.contains(',') {
            self.settings.push(("search_path".to_owned(), value.to_owned()));
            self.note(
                name,
                "Sent to the server as search_path; its first schema is taken for the migrations.",
                true,
            );
        } else {
            self.note(name, "The schema of the migrations; unqualified names are looked for there.", true);
        }
        if self.schema.is_none() && !first.is_empty() && first != "$user" {
            self.schema = Some(first);
        }
    }

    fn timeout(&mut self, name: &str, value: &str) {
        match value.trim().parse::<i64>() {
            Ok(0) => {
                self.connect_timeout = Some(60);
                self.note(
                    name,
                    "0 means without limit; Drydock waits at most 60 s for each network step.",
                    true,
                );
            }
            Ok(seconds) if seconds > 0 => {
                let kept = u32::try_from(seconds).unwrap_or(60).clamp(1, 60);
                self.connect_timeout = Some(kept);
                let effect = if i64::from(kept) == seconds {
                    format!("Each network step may take {kept} s.")
                } else {
                    "Longer than Drydock waits: each network step may take 60 s.".to_owned()
                };
                self.note(name, effect, true);
            }
            _ => self.note(name, "Not a number of seconds; Drydock waits 5 s for each network step.", false),
        }
    }

    /// `-c key=value`, `-ckey=value` and `--key=value`; a backslash takes the next character as it is.
    fn options(&mut self, value: &str) {
        let mut words: Vec<String> = Vec::new();
        let mut word: Option<String> = None;
        let mut characters = value.chars();
        while let Some(c) = characters.next() {
            match c {
                '\\' => word.get_or_insert_default().extend(characters.next()),
                c if c.is_whitespace() => words.extend(word.take()),
                c => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        let mut understood = !words.is_empty();
        let mut words = words.into_iter();
        let mut count = 0_usize;
        while let Some(word) = words.next() {
            let pair = match word.strip_prefix("--") {
                Some(long) => Some(long.to_owned()),
                None => match word.strip_prefix("-c") {
                    Some("") => words.next(),
                    Some(pair) => Some(pair.to_owned()),
                    None => None,
                },
            };
            match pair.as_deref().and_then(|pair| pair.split_once('=')) {
                Some((key, value)) if is_setting_name(key) => {
                    let key = key.replace('-', "_");
                    if key == "search_path" && self.schema.is_none() {
                        let first = value.split(',').next().unwrap_or_default().trim().trim_matches('"');
                        if !first.is_empty() && first != "$user" {
                            self.schema = Some(first.to_owned());
                        }
                    }
                    self.settings.push((key, value.to_owned()));
                    count += 1;
                }
                _ => understood = false,
            }
        }
        let effect = match (understood, count) {
            (true, 1) => "One start-up setting; sent to the server.".to_owned(),
            (true, n) => format!("{n} start-up settings; sent to the server."),
            (false, 0) => "Not of the form `-c setting=value`; it has no effect.".to_owned(),
            (false, _) => {
                "What has the form `-c setting=value` is sent to the server; the rest has no effect."
                    .to_owned()
            }
        };
        self.note("options", effect, understood);
        if !understood {
            self.warnings.push(
                "Part of `options` is not of the form `-c setting=value` and has no effect.".to_owned(),
            );
        }
    }

    fn without_effect(&mut self, name: &str, value: &str) {
        let effect = match name {
            "application_name" | "fallback_application_name" => {
                "Drydock gives its own name, so that its sessions can be told apart."
            }
            "connection_limit"
            | "pool_timeout"
            | "max_connection_lifetime"
            | "max_idle_connection_lifetime"
            | "single_use_connections" => {
                "A setting of the app's connection pool; Drydock opens the few connections it needs."
            }
            "statement_cache_size" => "Drydock decides itself: no cache where a pooler is in between.",
            "socket_timeout" | "tcp_user_timeout" => {
                "Drydock limits each statement on the server instead (Guard rules)."
            }
            "keepalives" | "keepalives_idle" | "keepalives_interval" | "keepalives_count" => {
                "Drydock uses the system's settings."
            }
            "channel_binding" if value.eq_ignore_ascii_case("require") => {
                self.warnings.push(
                    "The address requires channel binding, which Drydock does not do. It checks the server's certificate and \
                     name instead, which guards against the same attack as long as the certificate is checked in full."
                        .to_owned(),
                );
                "Not supported; the server's certificate and name are checked instead."
            }
            "channel_binding" => "Not used; the server's certificate and name are checked instead.",
            "require_auth" | "requirepeer" => {
                self.warnings.push(format!(
                    "The address limits how the server may ask for the password ({name}); Drydock does not."
                ));
                "Not supported: the server decides how to log in."
            }
            "target_session_attrs" => {
                "Drydock finds out itself whether the server takes writes, and refuses to write where it does not."
            }
            "load_balance_hosts" => "Drydock works on exactly one server.",
            "passfile" | "service" | "servicefile" => {
                self.warnings.push(format!("`{name}` points to a file of psql's. Drydock does not read it: enter host, user and password."));
                "Drydock does not read psql's files."
            }
            "sslcrl" | "sslcrldir" => {
                self.warnings.push(
                    "The address names a list of revoked certificates, which Drydock does not check."
                        .to_owned(),
                );
                "Revocation lists are not checked."
            }
            "ssl_min_protocol_version"
            | "ssl_max_protocol_version"
            | "min_protocol_version"
            | "max_protocol_version" => "Drydock speaks TLS 1.2 and 1.3 only.",
            "sslnegotiation" => {
                "Drydock asks for encryption the usual way, which every server with TLS understands."
            }
            "sslsni" => "Drydock always names the host when it asks for encryption.",
            "sslcompression" => "TLS compression is never used.",
            "sslcertmode" => "Login by client certificate is not supported yet.",
            "gssencmode" | "gsslib" | "gssdelegation" | "krbsrvname" => {
                "Kerberos is not supported; Drydock encrypts with TLS."
            }
            "client_encoding" => "Drydock always speaks UTF-8.",
            "replication" => "Drydock opens ordinary sessions only.",
            "supa"
            | "uselibpqcompat"
            | "workaround"
            | "pool_mode"
            | "prepareThreshold"
            | "binary_parameters"
            | "loginTimeout"
            | "reWriteBatchedInserts"
            | "stringtype"
            | "tcpKeepAlive" => "Meant for another driver; it has no effect.",
            _ => {
                let printable = name.len() <= 40
                    && !name.is_empty()
                    && name
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'[' | b']'));
                if let Some(setting) = name
                    .strip_prefix("options[")
                    .and_then(|n| n.strip_suffix(']'))
                    .filter(|n| is_setting_name(n))
                {
                    self.settings.push((setting.to_owned(), value.to_owned()));
                    self.note(name, "A start-up setting; sent to the server.", true);
                } else if printable {
                    self.note(name, "Drydock does not know this parameter; it has no effect.", false);
                } else {
                    self.note("(unreadable)", "A parameter whose name is no name; it has no effect.", false);
                }
                return;
            }
        };
        self.note(name, effect, false);
    }

    /// The encryption rule. Remote hosts are checked in full unless the address explicitly turns
    /// encryption off or checks the issuer only; addresses on this computer follow what was written.
    pub(super) fn settle_encryption(&mut self, address: &mut Address) {
        address.roots = self.roots();
        let mode = self.sslmode.clone();
        let strict = self.sslaccept.as_deref().is_some_and(|accept| accept != "accept_invalid_certs");
        if let Some(accept) = self.sslaccept.clone() {
            match accept.as_str() {
                "strict" => self.note("sslaccept", "The certificate is checked in full.", true),
                "accept_invalid_certs" => self.note(
                    "sslaccept",
                    "Drydock checks the certificate all the same; choose `encrypted, not checked` yourself if it cannot be checked.",
                    false,
                ),
                _ => self.note("sslaccept", "Not a value of Prisma's; Prisma reads it as strict, and so does Drydock.", true),
            }
        }
        if address.is_socket() {
            address.tls = TlsMode::Off;
            if mode.is_some() {
                self.note("sslmode", "A unix socket stays on this computer and is not encrypted.", false);
            }
            return;
        }
        let local = address.is_local();
        let (tls, effect, used) = match mode.as_deref() {
            Some("verify-full") => {
                (TlsMode::VerifyFull, "Encrypted; certificate and name are checked.", true)
            }
            Some("verify-ca") if strict => {
                (TlsMode::VerifyFull, "Encrypted; certificate and name are checked, as sslaccept says.", true)
            }
            Some("verify-ca") => {
                (TlsMode::VerifyCa, "Encrypted; the certificate's issuer is checked, its name is not.", true)
            }
            Some("disable") if local => {
                (TlsMode::Off, "Not encrypted; the connection stays on this computer.", true)
            }
            Some("disable") => {
                self.warnings.push(
                    "sslmode=disable: password and data would cross the network unencrypted. Choose `checked in full` unless \
                     the way to the server is protected by something else."
                        .to_owned(),
                );
                (TlsMode::Off, "Not encrypted, as the address asks.", true)
            }
            Some("allow" | "prefer") | None if local && !strict => {
                (TlsMode::Off, "Not encrypted; the connection stays on this computer.", true)
            }
            Some("require" | "no-verify") if local && !strict => (
                TlsMode::Unchecked,
                "Encrypted; on this computer's own address the certificate is not checked.",
                true,
            ),
            None => (TlsMode::VerifyFull, "", true),
            Some("require" | "prefer" | "allow" | "no-verify") => (
                TlsMode::VerifyFull,
                "Drydock checks the certificate and never goes on unencrypted; choose `encrypted, not checked` yourself if the \
                 server's certificate cannot be checked.",
                true,
            ),
            Some(_) => {
                self.warnings.push(
                    "sslmode has a value no tool defines (Prisma reads it as prefer, libpq refuses it). Drydock checks the \
                     certificate in full."
                        .to_owned(),
                );
                (TlsMode::VerifyFull, "Not a known value; Drydock checks the certificate in full.", false)
            }
        };
        address.tls = tls;
        if mode.is_some() {
            self.note("sslmode", effect, used);
        }
    }

    /// `sslrootcert`, or Prisma's `sslcert`, to roots.
    fn roots(&mut self) -> TlsRoots {
        if let Some(path) = self.sslcert.take() {
            if self.form == Form::Pairs || self.has_client_key {
                self.client_certificate("sslcert");
            } else if self.sslrootcert.is_some() {
                self.note(
                    "sslcert",
                    "sslrootcert names the root certificate already; this one has no effect.",
                    false,
                );
            } else {
                let roots = self.root("sslcert", &path);
                if !matches!(roots, TlsRoots::System) {
                    self.note(
                        "sslcert",
                        "The root certificate the server's must be signed by, as Prisma means it.",
                        true,
                    );
                }
                return roots;
            }
        }
        match self.sslrootcert.take() {
            Some(path) => self.root("sslrootcert", &path),
            None => TlsRoots::System,
        }
    }

    fn root(&mut self, name: &str, value: &str) -> TlsRoots {
        if value.contains("-----BEGIN CERTIFICATE-----") {
            self.note(name, "The root certificate the server's must be signed by, pasted.", true);
            return TlsRoots::Pasted { pem: value.to_owned() };
        }
        if value == "system" || value.is_empty() {
            self.note(name, "The roots this computer trusts.", true);
            return TlsRoots::System;
        }
        let bytes = value.as_bytes();
        let drive = bytes.len() > 2
            && bytes[0].is_ascii_alphabetic()
            && bytes[1] == b':'
            && matches!(bytes[2], b'/' | b'\\');
        if value.chars().any(char::is_control) || !(value.starts_with(['/', '\\']) || drive) {
            self.note(
                name,
                "A relative path cannot be found from here; it has no effect until you choose the file.",
                false,
            );
            self.warnings
                .push(format!("`{name}` is a relative path. Choose the root certificate's file yourself."));
            return TlsRoots::System;
        }
        self.note(name, "The root certificate the server's must be signed by.", true);
        TlsRoots::File { path: value.to_owned() }
    }
}

/// `statement_timeout`, `app.tenant`.
pub(super) fn is_setting_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 63
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}
