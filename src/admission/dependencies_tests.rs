//! Every way to write a requirement comes to one form, and nothing but a requirement gets through.

use enclos_protocol::dependencies::REQUIREMENTS_MAX;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::tests::admit_json;
use super::*;

fn job(language: &str, dependencies: Value) -> Value {
    json!({ "language": language, "source": "", "dependencies": dependencies })
}

fn wanted(requirements: &[&str]) -> Result<Vec<String>, Refusal> {
    let job = admit_json(&job("python", json!({ "python": requirements })))?;
    Ok(job.spec.dependencies.map(|wanted| wanted.requirements).unwrap_or_default())
}

#[test]
fn all_spellings_of_a_requirement_are_one() {
    for (text, form) in [
        ("numpy", "numpy"),
        ("NumPy==2.*", "numpy==2.*"),
        ("zope.interface", "zope-interface"),
        ("a__b.-c", "a-b-c"),
        ("requests[socks, Security,socks]", "requests[security,socks]"),
        ("numpy >=1.26 , < 3", "numpy<3,>=1.26"),
        ("x~=1.4.2,!=1.4.5", "x!=1.4.5,~=1.4.2"),
        ("x==1!2.0RC1", "x==1!2.0rc1"),
        ("x>=1.0.post1.dev3", "x>=1.0.post1.dev3"),
        ("x==1.0+Local.7", "x==1.0+local.7"),
        ("x[a]==1", "x[a]==1"),
    ] {
        assert_eq!(wanted(&[text]).unwrap(), [form], "{text}");
    }
    assert_eq!(wanted(&["b", "a==1"]).unwrap(), wanted(&["a == 1", "B"]).unwrap(), "in one order");
    assert_eq!(wanted(&[]).unwrap(), [""; 0]);
    assert!(admit_json(&job("c", json!({}))).unwrap().spec.dependencies.is_none());
}

#[test]
fn what_is_more_than_a_requirement_is_refused_with_its_place() {
    let long = "a".repeat(201);
    for bad in [
        "",
        " ",
        " numpy",
        "-r requirements.txt",
        "--index-url=https://evil/",
        "-e .",
        ".",
        "..",
        "./x",
        "/etc/passwd",
        "../x",
        "C:\\x",
        "a/b",
        "https://evil/x.whl",
        "x @ https://evil/x.whl",
        "git+https://evil/x",
        "file:///x",
        "x; python_version > '3'",
        "x ; os_name == 'posix'",
        "x\n--pre",
        "x\t==1",
        "x\0",
        "x\u{a0}==1",
        "numpу",
        "ｎumpy",
        "x\u{202e}",
        "x==",
        "x=1",
        "x==1==2",
        "x 1.0",
        "x==1,",
        "x,==1",
        "x===1",
        "x==v1",
        "x==1.0-1",
        "x==1.",
        "x==.1",
        "x==1..2",
        "x>1.*",
        "x~=1",
        "x==1.0rc",
        "x==1.post",
        "x==1a1b2",
        "x>1+local",
        "x==1+",
        "x==1!!2",
        "x==!2",
        "x==1.0.*.*",
        "x==1rc1.*",
        "x(==1)",
        "x[",
        "x[]",
        "x[a",
        "x[a]]",
        "x[-a]",
        "x[a==1]",
        "_x",
        "x_",
        "x-",
        "x*",
        "$(id)",
        "`id`",
        "x|y",
        "x&y",
        "x>y",
        "{requirements}",
        "x#y",
        "x%20",
        "'x'",
        "x==1 --no-binary",
        &long,
    ] {
        let refusal = wanted(&["ok", bad]).unwrap_err();
        let told = (refusal.status, refusal.code, refusal.field.as_deref());
        assert_eq!(told, (422, "invalid_dependency", Some("dependencies.python[1]")), "{bad:?}: {}", refusal.detail);
        assert!(!refusal.detail.contains(['\n', '\0', '\u{202e}']), "{bad:?}");
    }
}

#[test]
fn a_package_is_named_once_and_there_are_not_too_many() {
    let twice = wanted(&["Zope.Interface>1", "zope-interface<9"]).unwrap_err();
    assert_eq!((twice.code, twice.field.as_deref()), ("invalid_dependency", Some("dependencies.python[1]")));
    let many: Vec<String> = (0..=REQUIREMENTS_MAX).map(|n| format!("p{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refusal = wanted(&many).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_deref()), ("invalid_value", Some("dependencies.python")));
    assert_eq!(refusal.extras["maximum"], REQUIREMENTS_MAX);
    let clauses: Vec<String> = (0..9).map(|n| format!("!={n}")).collect();
    assert!(wanted(&[&format!("x{}", clauses.join(","))]).is_err());
}

#[test]
fn a_language_without_an_installer_says_which_have_one() {
    for (language, name) in [("c", "python"), ("python", "pypi"), ("java", "maven")] {
        let refusal = admit_json(&job(language, json!({ name: ["x"] }))).unwrap_err();
        let field = format!("dependencies.{name}");
        assert_eq!((refusal.status, refusal.code, refusal.field), (422, "unsupported_dependencies", Some(field)));
        assert!(refusal.detail.contains("'python'"), "{}", refusal.detail);
    }
}

#[test]
fn their_shape_is_a_list_of_texts_by_installer() {
    for (value, field) in [
        (json!(["numpy"]), "dependencies"),
        (json!({ "python": "numpy" }), "dependencies"),
        (json!({ "python": [1] }), "dependencies"),
    ] {
        let refusal = admit_json(&job("python", value.clone())).unwrap_err();
        assert_eq!(refusal.code, "invalid_value", "{value}");
        assert!(refusal.field.is_some_and(|f| f.starts_with(field)), "{value}");
    }
    let twice = br#"{"language":"python","source":"","dependencies":{"python":["a"],"python":["b"]}}"#;
    let refusal = super::super::admit(super::super::tests::catalogue(), "t", twice).unwrap_err();
    assert_eq!(refusal.field.as_deref(), Some("dependencies.python"));
}

proptest! {
    #[test]
    fn what_gets_through_is_one_word_that_is_no_option_and_comes_to_itself(text in "[a-zA-Z0-9._\\[\\], =<>!~*+-]{0,30}|.{0,30}") {
        if let Ok(Requirement { package, whole }) = pep508(&text) {
            prop_assert!(whole.starts_with(&package) && package.starts_with(|c: char| c.is_ascii_alphanumeric()));
            prop_assert!(whole.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-[],=<>!~*+".contains(&b)));
            prop_assert_eq!(pep508(&whole), Ok(Requirement { package, whole: whole.clone() }));
        }
    }
}
