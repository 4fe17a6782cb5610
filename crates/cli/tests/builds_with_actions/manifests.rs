// SPDX-License-Identifier: Apache-2.0
//! npm/bump, yarn/bump, mvn/patch, mvn/mirror, gradle/mirror: on projects whose packages are in folders.

use serde_json::Value;

use crate::support::Catalog;

const POM: &str = "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">
  <properties>
    <netty.version>4.1.100.Final</netty.version>
  </properties>
  <dependencies>
    <dependency>
      <groupId>org.x</groupId>
      <artifactId>bare</artifactId>
      <version>1.0</version>
    </dependency>
  </dependencies>
</project>
";

#[test]
fn versions_in_a_pom() {
    let Some(catalog) = Catalog::new("versions_in_a_pom") else { return };
    catalog.write("app/java/pom.xml", POM);
    catalog.write(
        "app/java/properties.json",
        r#"[{"property":"netty.version","value":"4.1.133.Final"}]"#,
    );
    catalog.write(
        "app/java/dependencies.json",
        r#"[{"groupId":"org.x","artifactId":"bare","version":"2.0"}]"#,
    );
    let builds = "    - name: java
      work-dir: ${source.dir}/java
      contents: {packages: [coreutils, dash]}
      environment: {MAVEN_MIRROR_URL: 'https://mirror.example.org/maven'}
      paths: [{type: directory, path: '${source.dir}/java', source: app/java}]
      pipeline:
        - uses: mvn/patch@v1
          with: {properties: properties.json, dependencies: dependencies.json}
        - uses: mvn/mirror@v1
        - uses: gradle/mirror@v1
      outputs:
        - {source: '${source.dir}/java/pom.xml', target: /pom.xml}
        - {source: /root/.m2/settings.xml, target: /settings.xml}
        - {source: /root/.gradle/init.d/mirror.url, target: /mirror.url}
";
    catalog.define("base-files", builds);
    let image = catalog.image();
    let expected = POM.replace("4.1.100.Final", "4.1.133.Final").replace(">1.0<", ">2.0<");
    let pom = image.text("pom.xml");
    assert_eq!(pom.trim_start_matches("<?xml version=\"1.0\"?>\n"), expected);
    assert!(image.text("settings.xml").contains("<url>https://mirror.example.org/maven</url>"));
    assert_eq!(image.text("mirror.url"), "https://mirror.example.org/maven\n");
}

/// One stage for both, for their programs are large.
#[test]
fn versions_of_javascript_packages() {
    let Some(catalog) = Catalog::new("versions_of_javascript_packages") else { return };
    for version in ["1.0.0", "1.1.0"] {
        let manifest = format!(r#"{{"name":"left","version":"{version}"}}"#);
        catalog.write(&format!("app/left-{version}/package.json"), manifest);
    }
    for folder in ["npm", "yarn"] {
        let manifest =
            r#"{"name":"app","version":"1.0.0","dependencies":{"left":"file:/srv/left-1.0.0"}}"#;
        catalog.write(&format!("app/{folder}/package.json"), manifest);
        let bumps = r#"[{"package":"left","version":"file:/srv/left-1.1.0"}]"#;
        catalog.write(&format!("app/{folder}/bumps.json"), bumps);
    }
    let builds = "    - name: javascript
      contents: {packages: [coreutils, dash, npm, yarnpkg]}
      environment:
        npm_config_offline: 'true'
        npm_config_install_links: 'true'
        YARN_ENABLE_TELEMETRY: '0'
      paths:
        - {type: directory, path: /srv/left-1.0.0, source: app/left-1.0.0}
        - {type: directory, path: /srv/left-1.1.0, source: app/left-1.1.0}
        - {type: directory, path: '${source.dir}/npm', source: app/npm}
        - {type: directory, path: '${source.dir}/yarn', source: app/yarn}
      pipeline:
        - uses: npm/bump@v1
          work-dir: ${source.dir}/npm
          with: {bumps: bumps.json}
        - uses: yarn/bump@v2
          work-dir: ${source.dir}/yarn
          with: {bumps: bumps.json, offline: true}
      outputs:
        - {source: '${source.dir}/npm', target: /npm}
        - {source: '${source.dir}/yarn', target: /yarn}
";
    catalog.define("base-files", builds);
    let image = catalog.image();
    let json = |path: &str| serde_json::from_str::<Value>(&image.text(path)).unwrap();
    assert_eq!(json("npm/node_modules/left/package.json")["version"], "1.1.0");
    let lock = json("npm/package-lock.json");
    assert_eq!(lock["packages"]["node_modules/left"]["version"], "1.1.0");
    assert_eq!(json("yarn/package.json")["dependencies"]["left"], "file:/srv/left-1.1.0");
    let lock = image.text("yarn/yarn.lock");
    assert!(lock.contains("left-1.1.0") && !lock.contains("left-1.0.0"), "{lock}");
}
