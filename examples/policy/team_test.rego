package docker

good := {
	"fullRepo": "registry.example/team/app",
	"signatures": [{"key": "release.pub"}],
	"audit": {"traits": {"shell": []}},
	"vulnerabilities": [],
}

test_good_images_are_allowed if decision.allow with input as {"image": good}

test_others_are_allowed if decision.allow with input as {"image": {"fullRepo": "docker.io/library/debian"}}

test_what_is_no_image_is_allowed if decision.allow with input as {"http": {}}

test_unsigned_images_are_denied if {
	image := object.union(good, {"signatures": []})
	decision.deny_msg == ["release.pub did not sign it"] with input as {"image": image}
}

test_images_without_a_name_are_ours if {
	count(decision.deny_msg) == 3 with input as {"image": {"user": "65532"}}
}

test_what_nobody_looked_at_is_denied if {
	image := object.remove(good, ["audit", "vulnerabilities"])
	decision.deny_msg == ["nobody audited it", "nobody looked for vulnerabilities"] with input as {"image": image}
}

test_shells_are_told if {
	image := object.union(good, {"audit": {"traits": {"shell": ["/bin/sh"]}}})
	decision.deny_msg == ["it has a shell"] with input as {"image": image}
}
