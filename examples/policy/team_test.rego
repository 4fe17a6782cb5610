package docker

signed := {"fullRepo": "registry.example/team/app", "signatures": [{"key": "release.pub"}]}

test_signed_images_are_allowed if decision.allow with input as {"image": signed}

test_others_are_allowed if decision.allow with input as {"image": {"fullRepo": "docker.io/library/debian"}}

test_unsigned_images_are_denied if {
	not decision.allow with input as {"image": {"fullRepo": "registry.example/team/app"}}
}

test_shells_are_told if {
	image := object.union(signed, {"audit": {"traits": {"shell": ["/bin/sh"]}}})
	decision.deny_msg == ["it has a shell"] with input as {"image": image}
}
