# METADATA
# title: Sallyport's built-in decision
# description: |
#   May this principal do this action on this resource? Deny by default; a permission of a role the principal holds,
#   directly or by inheritance, is the only way to an allow.
#
#   input: {principal: {id, tenant, roles, ...}, action, resource: {kind, name, tenant?, ...}, arguments?, environment, session}
#   data:  {roles: {name: {inherits: [role], permissions: [{action, resource, when?}]}}}
#
#   Facts about the subject are in `input`: `data` is copied into the module's memory when it is loaded, and megabytes
#   of it would block the process for seconds.
package sallyport

# METADATA
# description: |
#   {allow, reasons, requires, obligations, roles, effective_roles, cache_ttl_seconds}. `requires` says what would turn
#   a denial into an allow: the roles that carry a matching permission themselves, the least powerful way to get there,
#   and as "argument:/pointer" the arguments that a role which is held does not allow with the values they have.
#   `roles` are those whose permissions granted; `effective_roles` are all that the principal holds.
# entrypoint: true
decision := denial("input_malformed", [], 0) if {
	not input_is_well_formed
} else := denial("tenant_mismatch", [], denial_ttl_seconds) if {
	not resource_is_of_the_tenant
} else := {
	"allow": true,
	"reasons": ["role_grants"],
	"requires": [],
	"obligations": [],
	"roles": sort(granting_roles),
	"effective_roles": sort(effective_roles),
	"cache_ttl_seconds": allow_ttl_seconds,
} if {
	count(granting_roles) > 0
} else := denial("argument_refused", array.concat(other_arguments, would_allow), denial_ttl_seconds) if {
	count(refused_arguments) > 0
} else := denial("no_role_grants", would_allow, denial_ttl_seconds) if {
	count(effective_roles) > 0
} else := denial("no_roles", would_allow, denial_ttl_seconds)

denial(reason, requires, ttl_seconds) := {
	"allow": false,
	"reasons": [reason],
	"requires": requires,
	"obligations": [],
	"roles": [],
	"effective_roles": sort(effective_roles),
	"cache_ttl_seconds": ttl_seconds,
}

# Upper bounds only: a cached decision never outlives the bundle it came from.
allow_ttl_seconds := 60

denial_ttl_seconds := 10

# A name with a star in it is never a thing to act on: it would equal a pattern.
input_is_well_formed if {
	is_name(input.principal.id)
	is_name(input.principal.tenant)
	is_array(input.principal.roles)
	is_name(input.action)
	is_name(input.resource.kind)
	is_name(input.resource.name)
}

is_name(value) if {
	is_string(value)
	value != ""
	not contains(value, "*")
}

# A resource that names no tenant belongs to the caller's own.
resource_is_of_the_tenant if {
	tenant := input.principal.tenant
	object.get(input.resource, "tenant", tenant) == tenant
}

would_allow := sort({role_requirement(name) |
	some name, role in data.roles
	role_permits(role)
})

other_arguments := sort({concat(":", ["argument", pointer]) | some pointer in refused_arguments})

role_requirement(name) := concat(":", ["role", name])
