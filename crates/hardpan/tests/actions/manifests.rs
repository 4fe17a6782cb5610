// SPDX-License-Identifier: Apache-2.0
//! npm/bump, yarn/bump, mvn/patch, mvn/mirror, gradle/mirror.

use serde_json::{Value, json};

use crate::support::Stage;

/// A stage with packages of JavaScript in folders, which need no registry.
fn javascript() -> Option<Stage> {
    let stage = Stage::new()?;
    for version in ["1.0.0", "1.1.0"] {
        for (name, needs) in
            [("left", "{}"), ("deep", "{}"), ("right", "{\"deep\":\"file:/srv/deep-1.0.0\"}")]
        {
            stage.write(
                &format!("/srv/{name}-{version}/package.json"),
                format!(
                    "{{\"name\":\"{name}\",\"version\":\"{version}\",\"dependencies\":{needs}}}"
                ),
            );
        }
    }
    stage.write(
        "app/package.json",
        r#"{"name":"app","version":"1.0.0","dependencies":{"left":"file:/srv/left-1.0.0","right":"file:/srv/right-1.0.0"}}"#,
    );
    Some(stage)
}

fn json_of(stage: &Stage, path: &str) -> Value {
    serde_json::from_str(&stage.read(path)).unwrap()
}

#[test]
fn versions_of_npm() {
    let Some(stage) = javascript() else { return };
    stage.write("bumps.json", r#"[{"package":"left","version":"file:/srv/left-1.1.0"}]"#);
    let step = "uses: npm/bump@v1\nenvironment:\n  npm_config_offline: \"true\"\n  npm_config_install_links: \"true\"\nwith:\n  bumps: ${source.dir}/bumps.json\n  npm-root: ${source.dir}/app\n";
    stage.run(step).ok();
    assert_eq!(json_of(&stage, "app/package.json")["dependencies"]["left"], "file:/srv/left-1.1.0");
    assert_eq!(json_of(&stage, "app/node_modules/left/package.json")["version"], "1.1.0");
    let lock = json_of(&stage, "app/package-lock.json");
    assert_eq!(lock["packages"]["node_modules/left"]["version"], "1.1.0");
    stage.write("bumps.json", "{ not json");
    stage.run(step).fails("Bad JSON");
}

#[test]
fn overrides_of_npm() {
    let Some(stage) = Stage::new() else { return };
    let step =
        "uses: npm/bump@v1\nwith:\n  bumps: bumps.json\n  npm-root: app\n  omit-dev: false\n";
    let edit = stage.expand(step).steps[0].clone();
    assert_eq!(edit.name, "npm/bump@v1: bump");
    for (summary, manifest, bumps, expected) in [
        (
            "a dependency",
            json!({"devDependencies": {"a": "^1"}}),
            json!([{"package": "a", "version": "2"}]),
            json!({"devDependencies": {"a": "2"}}),
        ),
        (
            "none",
            json!({}),
            json!([{"package": "a", "version": "2"}]),
            json!({"overrides": {"a": "2"}}),
        ),
        (
            "below another",
            json!({}),
            json!([{"package": "a", "version": "2", "overridePath": ["b", "c"]}]),
            json!({"overrides": {"b": {"c": {"a": "2"}}}}),
        ),
        (
            "itself",
            json!({"dependencies": {"a": "1"}}),
            json!([{"package": "a", "version": "2", "overridePath": ["a"]}]),
            json!({"dependencies": {"a": "2"}, "overrides": {"a": "2"}}),
        ),
        (
            "a range of itself",
            json!({"dependencies": {"a": "5"}}),
            json!([{"package": "a", "version": "3.1", "overridePath": ["a@3"]}]),
            json!({"dependencies": {"a": "5"}, "overrides": {"a@3": "3.1"}}),
        ),
        (
            "a reference",
            json!({"dependencies": {"a": "1"}}),
            json!([{"package": "a", "version": "$a", "overridePath": ["a"]}]),
            json!({"dependencies": {"a": "1"}, "overrides": {"a": "$a"}}),
        ),
        (
            "an override becomes an object",
            json!({"overrides": {"b": "1"}}),
            json!([{"package": "a", "version": "2", "overridePath": ["b"]}]),
            json!({"overrides": {"b": {".": "1", "a": "2"}}}),
        ),
        (
            "an override that is one",
            json!({"overrides": {"b": {"a": "1"}}}),
            json!([{"package": "b", "version": "2"}]),
            json!({"overrides": {"b": {".": "2", "a": "1"}}}),
        ),
    ] {
        stage.write("app/package.json", manifest.to_string());
        stage.write("bumps.json", bumps.to_string());
        // There is no registry that npm could install these from.
        stage.run_first(step).ok();
        assert_eq!(json_of(&stage, "app/package.json"), expected, "{summary}");
    }
    stage.write(
        "app/package-lock.json",
        r#"{"packages":{"node_modules/a":{},"node_modules/b":{}}}"#,
    );
    stage.write(
        "bumps.json",
        r#"[{"package":"b","version":"2","removeLockfileEntries":["node_modules/a"]}]"#,
    );
    stage.run_first(step).ok();
    assert_eq!(json_of(&stage, "app/package-lock.json")["packages"].as_object().unwrap().len(), 1);
}

#[test]
fn versions_of_yarn() {
    let Some(stage) = javascript() else { return };
    stage.write(
        "bumps.json",
        r#"[{"package":"left","version":"file:/srv/left-1.1.0"},{"package":"deep","version":"file:/srv/deep-1.1.0","resolutions":["right/deep"]},{"package":"absent","version":"1.0.0"}]"#,
    );
    let step = "uses: yarn/bump@v2\nenvironment:\n  YARN_ENABLE_TELEMETRY: \"0\"\nwith:\n  offline: true\n  bumps: bumps.json\n  yarn-root: app\n";
    stage.run(step).ok();
    let manifest = json_of(&stage, "app/package.json");
    assert_eq!(manifest["dependencies"]["left"], "file:/srv/left-1.1.0");
    assert_eq!(
        manifest["resolutions"],
        json!({"right/deep": "file:/srv/deep-1.1.0", "absent": "1.0.0"})
    );
    let lock = stage.read("app/yarn.lock");
    for text in ["left-1.1.0", "deep-1.1.0", "right-1.0.0"] {
        assert!(lock.contains(text), "{text}: {lock}");
    }
    assert!(!lock.contains("\"deep@file:/srv/deep-1.0.0"), "{lock}");
    let with_network = stage.expand(&step.replace("  offline: true\n", ""));
    assert!(with_network.steps[1].privileged_by_action);
}

const POM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- A comment that stays. -->
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <properties>
    <netty.version>4.1.100.Final</netty.version>
    <late>9.0</late>
  </properties>
  <dependencyManagement>
    <dependencies>
      <dependency>
        <groupId>io.netty</groupId>
        <artifactId>netty-handler</artifactId>
        <version>${netty.version}</version>
      </dependency>
    </dependencies>
  </dependencyManagement>
  <dependencies>
    <dependency>
      <groupId>org.x</groupId>
      <artifactId>bare</artifactId>
    </dependency>
  </dependencies>
</project>
"#;

#[test]
fn versions_of_maven() {
    let Some(stage) = Stage::new() else { return };
    stage.write("app/pom.xml", POM);
    stage.write("properties.json", r#"[{"property":"netty.version","value":"4.1.133.Final"},{"property":"late","value":"8.0"},{"property":"new","value":"1"}]"#);
    stage.write("dependencies.json", r#"[{"groupId":"io.netty","artifactId":"netty-handler","version":"4.2.0.Final","comment":"why"},{"groupId":"org.x","artifactId":"added","version":"1.0","scope":"runtime"}]"#);
    let managed = "uses: mvn/patch@v1\nwith:\n  mvn-root: app\n  properties: properties.json\n  dependencies: dependencies.json\n  dependencies-key: dependencyManagement.dependencies\n";
    stage.run(managed).ok();
    let value = |path: &str| {
        let names: Vec<String> =
            path.split('/').map(|name| format!("*[local-name()='{name}']")).collect();
        let path = names.join("/");
        stage.sh(&format!("xmlstarlet sel -t -v \"/{path}\" app/pom.xml || :")).ok()
    };
    assert_eq!(value("project/properties/netty.version"), "4.1.133.Final");
    assert_eq!(value("project/properties/late"), "9.0");
    assert_eq!(value("project/properties/new"), "1");
    let base = "project/dependencyManagement/dependencies/dependency";
    assert_eq!(value(&format!("{base}/version")), "4.2.0.Final\n1.0");
    assert_eq!(value(&format!("{base}/artifactId")), "netty-handler\nadded");
    assert_eq!(value(&format!("{base}/scope")), "runtime");
    let text = stage.read("app/pom.xml");
    assert!(
        text.contains("<!-- A comment that stays. -->") && !text.contains("xmlns=\"\""),
        "{text}"
    );
    // Direct ones; a version that another place gave is written down.
    stage
        .write("dependencies.json", r#"[{"groupId":"org.x","artifactId":"bare","version":"2.0"}]"#);
    let direct = "uses: mvn/patch@v1\nwith:\n  mvn-root: app\n  dependencies: dependencies.json\n";
    stage.run(direct).ok();
    assert_eq!(value("project/dependencies/dependency/version"), "2.0");
    stage
        .write("dependencies.json", r#"[{"groupId":"org.x","artifactId":"bare","version":"1.5"}]"#);
    stage.run(direct).ok();
    assert_eq!(value("project/dependencies/dependency/version"), "2.0");
    stage.run(&format!("{direct}  downgrade: true\n")).ok();
    assert_eq!(value("project/dependencies/dependency/version"), "1.5");
    stage.write(
        "dependencies.json",
        r#"[{"groupId":"x'] | //*[","artifactId":"bare","version":"1"}]"#,
    );
    stage.run(direct).fails("not a name or version");
}

#[test]
fn mirrors_are_written_without_passwords() {
    let Some(stage) = Stage::new() else { return };
    stage.run("uses: mvn/mirror@v1\n").ok();
    stage.run("uses: gradle/mirror@v1\n").ok();
    assert!(!stage.path("/root/.m2/settings.xml").exists());
    let environment = "environment:\n  MAVEN_MIRROR_URL: https://mirror.example.org/maven\n  MAVEN_MIRROR_OF: external:*,!own\n  MAVEN_PASSWORD: secret\n";
    stage.run(&format!("uses: mvn/mirror@v1\n{environment}")).ok();
    stage.run(&format!("uses: gradle/mirror@v1\n{environment}")).ok();
    let settings = stage.read("/root/.m2/settings.xml");
    for text in [
        "<url>https://mirror.example.org/maven</url>",
        "<mirrorOf>external:*,!own</mirrorOf>",
        "${env.MAVEN_PASSWORD}",
    ] {
        assert!(settings.contains(text), "{text}: {settings}");
    }
    assert!(!settings.contains("secret"));
    stage.sh("xmlstarlet val -q /root/.m2/settings.xml").ok();
    assert_eq!(stage.read("/root/.gradle/init.d/mirror.url"), "https://mirror.example.org/maven\n");
    stage.run("uses: mvn/mirror@v1\nwith:\n  url: \"</url>\"\n").fails("not a URL");
}
