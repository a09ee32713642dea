//! The choice of cases.

use crate::core::catalogue::{Catalogue, Profile};

const ALL: [&str; 0] = [];

fn chosen(patterns: &[&str], profile: Option<Profile>) -> Vec<String> {
    let catalogue = Catalogue::embedded();
    catalogue.select(patterns, profile).unwrap().iter().map(|case| case.id.clone()).collect()
}

#[test]
fn profiles_hold_each_other() {
    let catalogue = Catalogue::embedded();
    let [quick, standard, full] = Profile::ALL.map(|profile| catalogue.select(&ALL, Some(profile)).unwrap());
    assert!(quick.len() < standard.len() && standard.len() < full.len());
    assert!(quick.iter().all(|case| standard.contains(case)) && standard.iter().all(|case| full.contains(case)));
    let on_request = catalogue.cases().iter().filter(|case| case.on_request.is_some()).count();
    assert_eq!(full.len() + on_request, catalogue.cases().len());
    assert_eq!(chosen(&["policy-with-the-longest-*"], None), ["policy-with-the-longest-name"], "it was named");
}

#[test]
fn patterns_choose_by_id_in_catalogue_order() {
    assert_eq!(
        chosen(&["update-*"], None),
        ["update-opens", "update-closes", "update-moves-selector", "update-moves-peer", "update-drops-a-direction"]
    );
    assert_eq!(
        chosen(&["allow-by-namespace*"], None),
        ["allow-by-namespace", "allow-by-namespace-and-pod", "allow-by-namespace-or-pod", "allow-by-namespace-name"]
    );
    assert_eq!(chosen(&["update-*"], Some(Profile::Quick)), ["update-closes"]);
    assert_eq!(
        chosen(&["update-opens", "default-deny-{both,egress}"], None),
        ["default-deny-egress", "default-deny-both", "update-opens"]
    );
}

#[test]
fn a_pattern_that_chooses_nothing_is_an_error() {
    let catalogue = Catalogue::embedded();
    let error = |pattern: &str, profile| catalogue.select(&[pattern], profile).unwrap_err().to_string();
    insta::assert_snapshot!(error("default-deny-ingres", None), @"no case matches `default-deny-ingres`, did you mean `default-deny-ingress`?");
    insta::assert_snapshot!(error("nothing-*", None), @"no case matches `nothing-*`");
    insta::assert_snapshot!(error("update-opens", Some(Profile::Quick)), @"no case matches `update-opens` in the profile quick");
    insta::assert_snapshot!(error("[", None), @"`[` is no pattern: unclosed character class; missing ']'");
}
