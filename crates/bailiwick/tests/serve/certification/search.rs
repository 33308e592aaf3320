//! The searches of the scenario.

use super::*;

#[test]
fn search_core_c_4() {
    let harness = Harness::new();
    let readers =
        || json!({"subject": {"type": "user"}, "action": {"name": "read"}, "resource": record(1)});
    let all = harness.finds("c-4-2-1", SUBJECTS, &readers(), &[alice(), bob()]);
    assert!(all.iter().all(|found| found["type"] == "user"), "c-4-2-1");
    assert_eq!(
        harness.finds(
            "c-4-2-2",
            SUBJECTS,
            &with(readers(), "context", times()),
            &[]
        ),
        all
    );
    assert_eq!(
        harness.finds(
            "c-4-2-3",
            SUBJECTS,
            &with(readers(), "subject", alice()),
            &[]
        ),
        all
    );
    let readable =
        || json!({"subject": alice(), "action": {"name": "read"}, "resource": {"type": "record"}});
    let records = harness.finds("c-4-3-1", RESOURCES, &readable(), &[record(1)]);
    assert!(
        records.iter().all(|found| found["type"] == "record"),
        "c-4-3-1"
    );
    assert_eq!(
        harness.finds(
            "c-4-3-2",
            RESOURCES,
            &with(readable(), "context", times()),
            &[]
        ),
        records
    );
    assert_eq!(
        harness.finds(
            "c-4-3-3",
            RESOURCES,
            &with(readable(), "resource", record(1)),
            &[]
        ),
        records
    );
    let doable = || json!({"subject": alice(), "resource": record(1)});
    let (read, write) = (json!({"name": "read"}), json!({"name": "write"}));
    let actions = harness.finds("c-4-4-1", ACTIONS, &doable(), &[read, write]);
    assert_eq!(
        harness.finds("c-4-4-2", ACTIONS, &with(doable(), "context", times()), &[]),
        actions
    );
    let mut pages = Vec::new();
    let mut page = json!({"limit": 1});
    for section in ["c-4-5-1", "c-4-5-2"] {
        let answer = harness.ask(section, SUBJECTS, &with(readers(), "page", page.clone()));
        pages.extend(answer["results"].as_array().unwrap().clone());
        let next = answer["page"]["next_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{section}: {answer}"));
        assert_eq!(next.is_empty(), section == "c-4-5-2", "c-4-5-3");
        page = json!({"token": next});
    }
    assert_eq!(pages, all, "c-4-5: the pages are the whole");
    let nobody =
        json!({"subject": {"type": "user", "id": "nonexistent-user"}, "resource": record(1)});
    let none: [Value; 0] = [];
    assert_eq!(harness.finds("c-4-6-1", ACTIONS, &nobody, &[]), none);
    let mut nowhere = readable();
    nowhere["subject"]["id"] = json!("nonexistent-user");
    assert_eq!(harness.finds("c-4-6-1", RESOURCES, &nowhere, &[]), none);
    assert_eq!(
        harness.finds(
            "c-4-6-2",
            SUBJECTS,
            &with(readers(), "subject", json!({"type": "spaceship"})),
            &[]
        ),
        none
    );
    assert_eq!(
        harness.finds(
            "c-4-6-2",
            RESOURCES,
            &with(readable(), "resource", json!({"type": "spaceship"})),
            &[]
        ),
        none
    );
    for (path, body, keys) in [
        (
            SUBJECTS,
            readers(),
            ["subject", "action", "resource"].as_slice(),
        ),
        (RESOURCES, readable(), &["subject", "action", "resource"]),
        (ACTIONS, doable(), &["subject", "resource"]),
    ] {
        for key in keys {
            harness.refuses("c-4-7-1", path, &without(body.clone(), "", key));
        }
    }
    let both = json!({"subject": {"type": "user"}, "action": {"name": "read"}, "resource": {"type": "record"}});
    harness.refuses("c-4-7-2", SUBJECTS, &both);
    harness.refuses("c-4-7-2", RESOURCES, &both);
    harness.refuses(
        "c-4-7-2",
        ACTIONS,
        &json!({"subject": {"type": "user"}, "resource": record(1)}),
    );
}

#[test]
fn search_properties_c_4() {
    let harness = Harness::new();
    let writers = asked(json!({"type": "user"}), "write", stated(2, "archived"));
    harness.finds("c-4-2-4", SUBJECTS, &writers, &[bob()]);
    harness.finds(
        "c-4-3-4",
        RESOURCES,
        &asked(admin(), "write", json!({"type": "record"})),
        &[record(2)],
    );
    let body = json!({"subject": admin(), "resource": stated(2, "archived")});
    harness.finds("c-4-4-3", ACTIONS, &body, &[json!({"name": "write"})]);
}
