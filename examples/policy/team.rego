package docker

# Images of others are not ours to judge, nor is what is no image. What has no name, as one of a folder, is.
is_of_others if not input.image

is_of_others if {
	input.image.fullRepo
	not startswith(input.image.fullRepo, "registry.example/team/")
}

# Each rule asks for what is good: where nobody looked, that is not there.
is_signed if {
	some signature in input.image.signatures
	signature.key == "release.pub"
}

has_no_shell if count(input.image.audit.traits.shell) == 0

problems contains "release.pub did not sign it" if not is_signed

problems contains "nobody audited it" if not input.image.audit

problems contains "it has a shell" if {
	input.image.audit
	not has_no_shell
}

problems contains "nobody looked for vulnerabilities" if not input.image.vulnerabilities

problems contains msg if {
	some one in input.image.vulnerabilities
	one.exploited
	msg := sprintf("%s in %s is exploited", [one.id, one.package])
}

decision := {"allow": true} if is_of_others

decision := {
	"allow": count(problems) == 0,
	"deny_msg": [msg | some msg in problems],
} if not is_of_others
