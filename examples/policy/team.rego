package docker

default allow := false

# Images of others are not ours to judge.
allow if not startswith(input.image.fullRepo, "registry.example/team/")

allow if {
	count(problems) == 0
	some signature in input.image.signatures
	signature.key == "release.pub"
}

problems contains "it has a shell" if count(input.image.audit.traits.shell) > 0

problems contains msg if {
	some one in input.image.vulnerabilities
	one.exploited
	msg := sprintf("%s in %s is exploited", [one.id, one.package])
}

decision := {
	"allow": allow,
	"deny_msg": [msg | some msg in problems],
}
