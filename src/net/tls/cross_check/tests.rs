//! Chains that BoringSSL must refuse whatever the search proposes, the known differences, and the
//! agreement of both over random certificates.

use proptest::prelude::*;

use super::*;
use crate::net::tls::{
    tests::fixtures::{self, Issued, Recipe, authority},
    trust_store::TrustStore,
    verify::{self, Verification},
    verify_result::VerifyResult,
};

const HOST: &str = "host.test";

/// An authority key identifier with the serial number 5 and a URI as the issuer's name.
const OTHER_SERIAL: &str = "DER:30:0a:a1:05:86:03:61:3a:62:82:01:05";

fn leaf() -> Recipe {
    fixtures::leaf(HOST)
}

/// An authority without a key identifier, so that its certificates do not name one.
fn plain_authority(name: &str) -> Recipe {
    fixtures::leaf(name)
        .no_alternative_names()
        .extension("basicConstraints", "critical,CA:TRUE")
        .valid_days(-1, 3650)
}

fn certificate(issued: &Issued) -> Arc<Certificate> {
    Arc::new(Certificate::from_der(&issued.certificate.to_der().unwrap()).unwrap())
}

fn chain(issued: &[&Issued]) -> Vec<Arc<Certificate>> {
    issued.iter().map(|issued| certificate(issued)).collect()
}

fn now() -> i64 {
    let epoch = Asn1Time::from_unix(0).unwrap();
    let since = epoch.diff(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    i64::from(since.days) * 86_400 + i64::from(since.secs)
}

/// A root, an authority made by `intermediate`, and a leaf.
fn under(intermediate: Recipe, leaf: Recipe) -> [Issued; 3] {
    let root = authority("Root").self_signed();
    let intermediate = intermediate.signed_by(&root);
    [leaf.signed_by(&intermediate), intermediate, root]
}

#[test]
fn a_chain_that_a_broken_search_could_propose_is_refused() {
    let middle = || authority("Intermediate");
    let plain_middle = || plain_authority("Intermediate");
    let other_serial = |recipe: Recipe| recipe.extension("2.5.29.35", OTHER_SERIAL);
    let [good, above, root] = under(middle(), leaf());
    assert_eq!(check(&chain(&[&good, &above, &root]), now(), &Effort::default()), Ok(()));

    let namesake = authority("Root").self_signed();
    let plain = plain_authority("Plain").self_signed();
    let plain_namesake = plain_authority("Plain").self_signed();
    let by_plain = leaf().signed_by(&plain);
    let same_name = leaf().subject(&[("CN", "Plain")]).signed_by(&plain);
    let odd_key = other_serial(leaf()).signed_by(&plain);
    let short = authority("Short")
        .extension("basicConstraints", "critical,CA:TRUE,pathlen:0")
        .signed_by(&root);
    let under_short = middle().signed_by(&short);
    let too_deep = leaf().signed_by(&under_short);
    let short_root = authority("Short Root")
        .extension("basicConstraints", "critical,CA:TRUE,pathlen:0")
        .self_signed();
    let under_root = middle().signed_by(&short_root);
    let too_deep_for_root = leaf().signed_by(&under_root);
    let mut cases = vec![
        ("issuer missing", chain(&[&good, &root])),
        ("wrong order", chain(&[&good, &root, &above])),
        ("another root of that name", chain(&[&good, &above, &namesake])),
        ("another key of that name", chain(&[&by_plain, &plain_namesake])),
        ("another key, names alike", chain(&[&same_name, &plain_namesake])),
        ("another key, and another key identifier", chain(&[&odd_key, &plain_namesake])),
        ("self-signed instead of trusted", chain(&[&plain_namesake, &plain])),
        ("path too long below the root", chain(&[&too_deep_for_root, &under_root, &short_root])),
        ("path too long", chain(&[&too_deep, &under_short, &short, &root])),
    ];
    let mut case = |name, intermediate: Recipe, leaf: Recipe| {
        cases.push((name, chain(&under(intermediate, leaf).each_ref())));
    };
    case("expired", middle(), leaf().expired());
    case("not yet valid", middle(), leaf().not_yet_valid());
    case("intermediate expired", middle().expired(), leaf());
    case("expired, and another key identifier", plain_middle(), other_serial(leaf().expired()));
    case("signed by a server", fixtures::leaf("Server"), leaf());
    case("signed by a server of that name", leaf(), leaf());
    case("signed by a server, another serial", fixtures::leaf("Server"), other_serial(leaf()));
    case("for clients", middle(), leaf().extension("extendedKeyUsage", "clientAuth"));
    case("issuer for clients", middle().extension("extendedKeyUsage", "clientAuth"), leaf());
    let no_signing = plain_middle().extension("keyUsage", "digitalSignature");
    case("no certificates allowed, another serial", no_signing, other_serial(leaf()));
    case("no certificates allowed", middle().extension("keyUsage", "digitalSignature"), leaf());
    case("unknown critical extension", middle(), leaf().extension("1.2.3.4", "critical,DER:05:00"));
    let constrained = |constraints| middle().extension("nameConstraints", constraints);
    case("name not permitted", constrained("permitted;DNS:other.test"), leaf());
    case("name excluded", constrained("excluded;DNS:host.test"), leaf());
    case(
        "address excluded",
        constrained("excluded;IP:0.0.0.0/0.0.0.0"),
        leaf().also("IP:10.0.0.1"),
    );
    let constrained = plain_middle().extension("nameConstraints", "permitted;DNS:test");
    case("constraints and a difference", constrained, other_serial(leaf()));
    for (name, chain) in cases {
        for _ in 0..2 {
            let problem = check(&chain, now(), &Effort::default()).expect_err(name);
            assert!(
                problem.contains("BoringSSL rejects the chain of certificate \"CN=")
                    || problem.contains("violates a constraint of its issuers"),
                "{name}: {problem}"
            );
        }
    }
}

#[test]
fn an_agreement_holds_from_the_first_to_the_last_second_of_the_chain() {
    let [leaf, above, root] = under(authority("Intermediate"), leaf());
    let chain = chain(&[&leaf, &above, &root]);
    let (begin, end) = (chain[0].not_before(), chain[0].not_after());
    for _ in 0..2 {
        for (now, holds) in [(begin - 1, false), (begin, true), (end, true), (end + 1, false)] {
            assert_eq!(check(&chain, now, &Effort::default()).is_ok(), holds, "{}", now - begin);
        }
    }
}

/// Chains that Go accepts and BoringSSL does not, each from leaf to root.
fn differences() -> Vec<(Difference, &'static str, Vec<Issued>)> {
    use Difference as D;

    let middle = || authority("Intermediate");
    let mut cases = Vec::new();
    let mut case = |difference, name, intermediate: Recipe, leaf: Recipe| {
        cases.push((difference, name, under(intermediate, leaf).to_vec()));
    };
    let serial = leaf().extension("2.5.29.35", OTHER_SERIAL);
    let plain = || plain_authority("Intermediate");
    case(D::KeyIdentifier, "serial number of the issuer", plain(), serial);
    let form = leaf().extension("2.5.29.35", "DER:30:05:a1:03:a4:01:ff");
    case(D::ExtensionForm, "name of the issuer", plain(), form);
    let length = leaf().extension("basicConstraints", "DER:30:03:02:01:00");
    case(D::ExtensionForm, "path length of a leaf", middle(), length);
    let no_bits = middle().extension("keyUsage", "DER:03:01:00");
    case(D::EmptyKeyUsage, "key usage without bits", no_bits, leaf());
    let points = "critical,DER:30:13:30:11:a0:0f:a0:0d:86:0b:68:74:74:70:3a:2f:2f:61:2e:62:2f";
    let critical = leaf().extension("2.5.29.31", points);
    case(D::CriticalExtension, "critical CRL distribution points", middle(), critical);
    let policies = leaf().extension("2.5.29.32", "DER:30:09:30:07:06:02:2a:03:30:01:ff");
    case(D::Policies, "policy qualifiers", middle(), policies);
    let constrained = middle().extension("nameConstraints", "permitted;IP:10.0.0.0/255.0.0.0");
    case(D::AddressConstraint, "constrained address", constrained, leaf().also("IP:10.0.0.1"));

    let old = authority("Root").self_signed();
    let renewed = authority("Root")
        .same_key(&old)
        .extension("subjectKeyIdentifier", "01020304")
        .self_signed();
    cases.push((D::KeyIdentifier, "renewed root", vec![leaf().signed_by(&old), renewed]));
    let plain = plain_authority("Same").self_signed();
    let same = leaf().subject(&[("CN", "Same")]).signed_by(&plain);
    cases.push((D::SameName, "leaf named as its root", vec![same, plain.clone()]));
    let between = plain_authority("Same").signed_by(&plain);
    let below = leaf().signed_by(&between);
    cases.push((D::SameName, "intermediate named as its root", vec![below, between, plain]));
    cases
}

fn verified(issued: &[Issued]) -> Verification {
    let (root, sent) = issued.split_last().unwrap();
    let trust = TrustStore::from_pem(root.pem().as_bytes());
    let sent: Vec<_> = sent.iter().map(certificate).collect();
    verify::verify(&sent, &trust, HOST, now(), &Effort::default())
}

#[test]
fn what_go_accepts_and_boringssl_does_not_is_a_known_difference() {
    for (difference, name, issued) in differences() {
        let chain = chain(&issued.iter().collect::<Vec<_>>());
        let (_, found) = verify(&chain).unwrap_or_else(|refusal| panic!("{name}: {refusal:?}"));
        assert_eq!(found, Some(difference), "{name}");
        let verification = verified(&issued);
        assert_eq!(verification.result, VerifyResult::Ok, "{name}: {}", verification.detail);
    }
}

#[test]
fn a_certificate_that_boringssl_cannot_parse_is_trusted_only_by_itself() {
    let root = authority("Root").self_signed();
    let mut der = leaf().signed_by(&root).certificate.to_der().unwrap();
    // Version 1 has no extensions.
    let version = der.windows(5).position(|it| it == [0xa0, 3, 2, 1, 2]).unwrap();
    der[version + 4] = 0;
    let odd = Arc::new(Certificate::from_der(&der).unwrap());
    assert!(odd.x509().is_none());
    assert_eq!(check(&[Arc::clone(&odd)], now(), &Effort::default()), Ok(()));
    let problem = check(&[odd, certificate(&root)], now(), &Effort::default()).unwrap_err();
    assert!(problem.ends_with("it cannot parse a certificate of the chain"), "{problem}");
}

/// A change to a certificate of a random chain.
fn changed(recipe: Recipe, change: u8) -> Recipe {
    let constrained = |recipe: Recipe, value| recipe.extension("nameConstraints", value);
    match change {
        0 => recipe.expired(),
        1 => recipe.not_yet_valid(),
        2 => recipe.sha1(),
        3 => recipe.version1(),
        4 => recipe.extension("keyUsage", "critical,digitalSignature"),
        5 => recipe.extension("keyUsage", "DER:03:01:00"),
        6 => recipe.extension("basicConstraints", "critical,CA:FALSE"),
        7 => recipe.extension("basicConstraints", "critical,CA:TRUE,pathlen:0"),
        8 => recipe.extension("basicConstraints", "DER:30:03:02:01:00"),
        9 => recipe.extension("2.5.29.35", OTHER_SERIAL),
        10 => recipe.extension("2.5.29.35", "DER:30:05:a1:03:a4:01:ff"),
        11 => recipe.extension("subjectKeyIdentifier", "01020304"),
        12 => recipe.extension("2.5.29.31", "critical,DER:30:00"),
        13 => recipe.extension("2.5.29.31", "DER:30:06:30:04:a0:02:a0:00"),
        14 => recipe.extension("2.5.29.32", "DER:30:09:30:07:06:02:2a:03:30:01:ff"),
        15 => recipe.extension("extendedKeyUsage", "clientAuth"),
        16 => recipe.extension("1.2.3.4", "critical,DER:05:00"),
        17 => constrained(recipe, "permitted;DNS:test"),
        18 => constrained(recipe, "critical,permitted;DNS:other.test"),
        19 => constrained(recipe, "excluded;IP:10.0.0.0/255.0.0.0"),
        20 => recipe.subject(&[("CN", "Authority")]),
        21 => recipe.extension("2.5.29.36", "DER:30:03:80:01:00"),
        _ => recipe,
    }
}

/// One link of a random chain: a change to the certificate, another issuer than the one above
/// (`0`: an impostor of its name), and the place among the certificates that are sent.
type Link = (u8, u8, u8);

fn issued(links: &[Link]) -> Vec<Issued> {
    let mut all: Vec<Issued> = Vec::new();
    for (depth, (change, issuer, _)) in links.iter().enumerate() {
        let recipe = match depth {
            0 => authority("Authority"),
            _ if depth + 1 == links.len() => leaf().also("IP:10.0.0.1"),
            _ if change % 2 == 0 => authority(&format!("Authority {depth}")),
            _ => plain_authority(&format!("Authority {depth}")),
        };
        let recipe = changed(recipe, *change);
        let above = all.last().map(|above| match issuer {
            0 => Issued { key: authority("Impostor").self_signed().key, ..above.clone() },
            _ => above.clone(),
        });
        all.push(match above {
            Some(above) => recipe.signed_by(&above),
            None => recipe.self_signed(),
        });
    }
    all
}

/// BoringSSL's verification at `now`, free to choose among the certificates of the chain.
fn plain_verification(chain: &[Arc<Certificate>]) -> bool {
    let certificates: Vec<&X509> = chain.iter().map(|it| it.x509().unwrap()).collect();
    let mut store = X509StoreBuilder::new().unwrap();
    store.add_cert(*certificates.last().unwrap()).unwrap();
    let mut others = Stack::new().unwrap();
    for other in &certificates[1..] {
        others.push(X509::clone(other)).unwrap();
    }
    let mut context = X509StoreContext::new().unwrap();
    let verified = context.init(&store.build(), certificates[0], &others, |context| {
        context.verify_param_mut().set_flags(X509VerifyFlags::PARTIAL_CHAIN);
        context.verify_cert()
    });
    verified.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_the_search_accepts_boringssl_accepts(
        links in prop::collection::vec((0_u8..60, 0_u8..12, any::<u8>()), 2..6),
    ) {
        let issued = issued(&links);
        let mut sent: Vec<_> = issued.iter().zip(&links).skip(1).collect();
        let leaf = sent.pop().unwrap().0;
        sent.sort_by_key(|(_, (_, _, place))| *place);
        let mut all = vec![certificate(leaf)];
        all.extend(sent.iter().map(|(issued, _)| certificate(issued)));
        let trust = TrustStore::from_pem(issued[0].pem().as_bytes());
        let verification = verify::verify(&all, &trust, HOST, now(), &Effort::default());
        // No difference applies to a chain with constraints.
        let is_constrained = all.iter().chain(trust.iter()).any(|it| it.usage.constrains);
        let is_refused = verification.detail.starts_with("the cross-check");
        prop_assert!(is_constrained || !is_refused, "{}", verification.detail);
        for chain in &verification.chains {
            let (_, difference) = verify(chain).unwrap();
            prop_assert!(difference.is_some() || plain_verification(chain), "{chain:?}");
        }
    }
}
