//! Who acts: the accounts, the principals in them, the tools that they use.
//!
//! Accounts are those that AWS's documentation gives as examples, addresses are reserved for documentation, names are
//! made up.

use fastrand::Rng;

use super::fill::{hex, letters};
use super::record::{Object, iso};

/// The accounts whose events are recorded.
pub(super) const ACCOUNTS: [&str; 4] = ["111122223333", "444455556666", "777788889999", "123456789012"];

/// The account of a partner, which calls into the others.
const PARTNER_ACCOUNT: &str = "210987654321";

const HOUR_MS: i64 = 3_600_000;

/// What a principal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A person in a role session of IAM Identity Center.
    Human,
    /// An IAM user with a long-lived key.
    KeyUser,
    /// An IAM user signed in to the console with MFA.
    MfaUser,
    /// The account's root user.
    Root,
    /// The deployment role, assumed from the CI system.
    Ci,
    /// An instance's role session.
    Instance,
    /// A Lambda function's role session.
    Function,
    /// An AWS service for itself.
    Service,
    /// An AWS service through its service-linked role.
    ServiceRole,
    /// A principal of the partner's account.
    Partner,
}

/// One principal with its tool and its place.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    pub(super) kind: Kind,
    pub(super) account: &'static str,
    /// User name, session name or service, after the kind.
    pub(super) name: String,
    /// Role name, if the principal is a role session.
    role: String,
    /// Path of the role in its ARN, from `/` to `/`.
    role_path: String,
    /// Unique id of the user or role.
    id: String,
    /// Seeds the access keys.
    key_seed: u64,
    pub(super) region: &'static str,
    pub(super) ip: String,
    pub(super) agent: String,
}

const CLI: &str = "aws-cli/2.31.4 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.7 \
                   md/pyimpl#CPython m/b,E,C cfg/retry-mode#standard md/installer#exe md/prompt#off";
const BOTO: &str = "Boto3/1.40.44 md/Botocore#1.40.44 ua/2.1 os/linux#6.1.150 md/arch#x86_64 lang/python#3.12.11 \
                    md/pyimpl#CPython m/D,Z,b cfg/retry-mode#legacy Botocore/1.40.44";
const LAMBDA_BOTO: &str = "Boto3/1.40.44 md/Botocore#1.40.44 ua/2.1 os/linux#5.10.240 md/arch#aarch64 \
                           lang/python#3.12.11 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 Botocore/1.40.44";
const TERRAFORM: &str = "APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) \
                         terraform-provider-aws/6.14.1 (+https://registry.terraform.io/providers/hashicorp/aws) \
                         aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.24.6 md/GOOS#linux md/GOARCH#amd64";
const GO: &str = "aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.25.1 md/GOOS#linux md/GOARCH#arm64";
const BROWSER: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) \
                       Chrome/143.0.0.0 Safari/537.36";

/// People sign in by mail address.
const PEOPLE: [&str; 6] = ["mateo", "nikki", "saanvi", "arnav", "jorge", "martha"];
const PERMISSION_SETS: [&str; 3] = ["PlatformAdmin", "Developer", "Operations"];
const REGIONS: [&str; 4] = ["us-east-1", "eu-west-1", "us-west-2", "eu-central-1"];
const SERVICES: [&str; 6] = ["config", "cloudtrail", "ec2", "lambda", "inspector2", "autoscaling"];

/// All principals of a stream.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    actors: Vec<Actor>,
}

impl Cast {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let mut actors = Vec::new();
        for account in ACCOUNTS {
            people(account, rng, &mut actors);
            machines(account, rng, &mut actors);
        }
        Self { actors }
    }

    /// Chooses a principal of one of the kinds; a service only if its name begins with `service`.
    pub(super) fn choose(&self, kinds: &[Kind], service: &str, rng: &mut Rng) -> &Actor {
        let fits = |actor: &&Actor| kinds.contains(&actor.kind) && actor.name.starts_with(service);
        let fitting = self.actors.iter().filter(fits);
        // Every kind is in every account, so the fallback is there only to keep the types honest.
        rng.choice(fitting.collect::<Vec<_>>()).unwrap_or(&self.actors[0])
    }
}

fn people(account: &'static str, rng: &mut Rng, actors: &mut Vec<Actor>) {
    for person in rng.choose_multiple(PEOPLE, 4) {
        let set = rng.choice(PERMISSION_SETS).unwrap_or("Developer");
        let agent = rng.choice([BROWSER, BROWSER, CLI]).unwrap_or(CLI);
        let mut actor = Actor::new(Kind::Human, account, &format!("{person}@example.com"), agent, rng);
        actor.role = format!("AWSReservedSSO_{set}_{}", hex(rng, 16));
        actor.role_path = "/aws-reserved/sso.amazonaws.com/".to_owned();
        actors.push(actor);
    }
    for (name, agent) in [("svc-backup", BOTO), ("svc-metrics", GO), ("ops-laptop", CLI)] {
        actors.push(Actor::new(Kind::KeyUser, account, name, agent, rng));
    }
    for name in ["console-ops", "console-billing"] {
        actors.push(Actor::new(Kind::MfaUser, account, name, BROWSER, rng));
    }
    actors.push(Actor::new(Kind::Root, account, "root", BROWSER, rng));
}

fn machines(account: &'static str, rng: &mut Rng, actors: &mut Vec<Actor>) {
    let mut ci = Actor::new(Kind::Ci, account, "GitHubActions", TERRAFORM, rng);
    ci.role = "ci-deploy".to_owned();
    actors.push(ci);
    for _ in 0..4 {
        let name = format!("i-0{}", hex(rng, 16));
        let agent = rng.choice([BOTO, GO]).unwrap_or(GO);
        let mut instance = Actor::new(Kind::Instance, account, &name, agent, rng);
        instance.role = "web-fleet-instance-role".to_owned();
        actors.push(instance);
    }
    for name in ["orders-handler", "nightly-report", "thumbnailer"] {
        let mut function = Actor::new(Kind::Function, account, name, LAMBDA_BOTO, rng);
        function.role = format!("{name}-role-{}", hex(rng, 8));
        function.role_path = "/service-role/".to_owned();
        actors.push(function);
    }
    for service in SERVICES {
        actors.push(Actor::service(Kind::Service, account, service, rng));
    }
    let mut appsync = Actor::service(Kind::ServiceRole, account, "appsync", rng);
    appsync.role = "AWSServiceRoleForAppSync".to_owned();
    appsync.role_path = "/aws-service-role/appsync.amazonaws.com/".to_owned();
    actors.push(appsync);
    actors.push(Actor::new(Kind::Partner, account, "partner-sync", BOTO, rng));
}

impl Actor {
    fn new(kind: Kind, account: &'static str, name: &str, agent: &str, rng: &mut Rng) -> Self {
        let prefix = if matches!(kind, Kind::KeyUser | Kind::MfaUser) { "AIDA" } else { "AROA" };
        Self {
            kind,
            account,
            name: name.to_owned(),
            role: String::new(),
            role_path: "/".to_owned(),
            id: format!("{prefix}{}EXAMPLE", letters(rng, 10)),
            key_seed: rng.u64(..),
            region: rng.choice(REGIONS).unwrap_or("us-east-1"),
            ip: address(kind, rng),
            agent: agent.to_owned(),
        }
    }

    fn service(kind: Kind, account: &'static str, service: &str, rng: &mut Rng) -> Self {
        let host = format!("{service}.amazonaws.com");
        let mut actor = Self::new(kind, account, &host, &host, rng);
        actor.ip = host;
        actor
    }

    /// Tells whether AWS itself makes the call, so that there is no TLS session with a client.
    pub(super) fn is_service(&self) -> bool {
        matches!(self.kind, Kind::Service | Kind::ServiceRole)
    }

    pub(super) fn uses_console(&self) -> bool {
        self.agent == BROWSER
    }

    pub(super) fn arn(&self) -> String {
        let Self { account, name, role, .. } = self;
        match self.kind {
            Kind::KeyUser | Kind::MfaUser => format!("arn:aws:iam::{account}:user/{name}"),
            Kind::Root => format!("arn:aws:iam::{account}:root"),
            Kind::ServiceRole => format!("arn:aws:sts::{account}:assumed-role/{role}/{}", self.daemon()),
            _ => format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
        }
    }

    /// Writes the `userIdentity` of a call at a given time.
    pub(super) fn identity(&self, event_ms: i64) -> String {
        match self.kind {
            Kind::KeyUser => self.user(&self.long_key()).end(),
            Kind::MfaUser => {
                let session = Object::new().raw("attributes", &self.attributes(event_ms, "true")).end();
                self.user(&self.session_key(event_ms)).raw("sessionContext", &session).end()
            }
            Kind::Root => self.root(event_ms),
            Kind::Service => Object::new().text("type", "AWSService").text("invokedBy", &self.name).end(),
            Kind::Partner => self.partner(),
            _ => self.role_session(event_ms),
        }
    }

    /// Writes the `userIdentity` of a sign-in, before there is a session.
    pub(super) fn identity_at_sign_in(&self, event_ms: i64) -> String {
        match self.kind {
            Kind::KeyUser | Kind::MfaUser => Object::new()
                .text("type", "IAMUser")
                .text("principalId", &self.id)
                .text("arn", &self.arn())
                .text("accountId", self.account)
                .text("userName", &self.name)
                .end(),
            Kind::Root => Object::new()
                .text("type", "Root")
                .text("principalId", self.account)
                .text("arn", &self.arn())
                .text("accountId", self.account)
                .text("accessKeyId", "")
                .end(),
            _ => self.identity(event_ms),
        }
    }

    fn user(&self, key: &str) -> Object {
        Object::new()
            .text("type", "IAMUser")
            .text("principalId", &self.id)
            .text("arn", &self.arn())
            .text("accountId", self.account)
            .text("accessKeyId", key)
            .text("userName", &self.name)
    }

    fn root(&self, event_ms: i64) -> String {
        let session = Object::new().raw("attributes", &self.attributes(event_ms, "true")).end();
        Object::new()
            .text("type", "Root")
            .text("principalId", self.account)
            .text("arn", &self.arn())
            .text("accountId", self.account)
            .text("accessKeyId", &self.session_key(event_ms))
            .raw("sessionContext", &session)
            .end()
    }

    fn partner(&self) -> String {
        Object::new()
            .text("type", "AWSAccount")
            .text("principalId", &format!("{}:{}", self.id, self.name))
            .text("accountId", PARTNER_ACCOUNT)
            .end()
    }

    fn role_session(&self, event_ms: i64) -> String {
        let session_name = if self.kind == Kind::ServiceRole { self.daemon() } else { self.name.clone() };
        let invoked_by = (self.kind == Kind::ServiceRole).then_some(self.name.as_str());
        Object::new()
            .text("type", "AssumedRole")
            .text("principalId", &format!("{}:{session_name}", self.id))
            .text("arn", &self.arn())
            .text("accountId", self.account)
            .text("accessKeyId", &self.session_key(event_ms))
            .raw("sessionContext", &self.session_context(event_ms))
            .maybe_text("invokedBy", invoked_by)
            .end()
    }

    fn session_context(&self, event_ms: i64) -> String {
        let issuer = Object::new()
            .text("type", "Role")
            .text("principalId", &self.id)
            .text("arn", &format!("arn:aws:iam::{}:role{}{}", self.account, self.role_path, self.role))
            .text("accountId", self.account)
            .text("userName", &self.role)
            .end();
        let provider = format!("arn:aws:iam::{}:oidc-provider/token.actions.githubusercontent.com", self.account);
        let federation = match self.kind {
            Kind::Ci => Some(Object::new().text("federatedProvider", &provider).raw("attributes", "{}").end()),
            _ => None,
        };
        let delivery = (self.kind == Kind::Instance).then_some("2.0");
        Object::new()
            .raw("sessionIssuer", &issuer)
            .maybe_raw("webIdFederationData", federation.as_deref())
            .raw("attributes", &self.attributes(event_ms, "false"))
            .maybe_text("ec2RoleDelivery", delivery)
            .end()
    }

    /// Writes the session's attributes. CloudTrail writes this boolean as a string.
    fn attributes(&self, event_ms: i64, mfa: &str) -> String {
        let began_ms = self.session(event_ms) * HOUR_MS + self.session_phase_ms();
        Object::new().text("creationDate", &iso(began_ms)).text("mfaAuthenticated", mfa).end()
    }

    /// Numbers the session that a time falls into: a new one each hour, at the principal's own minute.
    fn session(&self, event_ms: i64) -> i64 {
        (event_ms - self.session_phase_ms()).div_euclid(HOUR_MS)
    }

    fn session_phase_ms(&self) -> i64 {
        (self.key_seed % HOUR_MS.unsigned_abs()).cast_signed()
    }

    fn long_key(&self) -> String {
        format!("AKIA{}EXAMPLE", letters(&mut Rng::with_seed(self.key_seed), 9))
    }

    fn session_key(&self, event_ms: i64) -> String {
        let seed = self.key_seed.wrapping_add(self.session(event_ms).cast_unsigned());
        format!("ASIA{}EXAMPLE", letters(&mut Rng::with_seed(seed), 9))
    }

    /// Names the session of the tracing daemon that runs beside a managed service.
    fn daemon(&self) -> String {
        format!("xray-daemon-{}", self.key_seed)
    }
}

fn address(kind: Kind, rng: &mut Rng) -> String {
    let last = rng.u8(2..250);
    match kind {
        Kind::Human | Kind::MfaUser | Kind::Root => format!("198.51.100.{last}"),
        Kind::Instance | Kind::Function => format!("10.0.{}.{last}", rng.u8(0..16)),
        Kind::Partner => format!("203.0.113.{last}"),
        _ => format!("192.0.2.{last}"),
    }
}
