package sallyport

# Role → the roles it inherits from. Only roles that exist are nodes, so an unknown name, held or inherited, reaches nothing.
inheritance[name] := object.get(role, "inherits", []) if {
	some name, role in data.roles
}

# graph.reachable visits each node once: a cycle in the data ends, and gives every role of the cycle the same permissions.
effective_roles contains name if {
	some name in graph.reachable(inheritance, {held | some held in input.principal.roles})
}

granting_roles contains name if {
	some name in effective_roles
	role_permits(data.roles[name])
}

role_permits(role) if {
	some permission in role.permissions
	covers(permission)
	conditions_hold(permission)
}

# Action and resource alone.
covers(permission) if {
	matches(permission.action, input.action)
	matches(permission.resource, input.resource.name)
}

# Three forms of pattern and no more: a name, everything, everything below a name ("orders.*" is "orders.new" and
# "orders.eu.new", not "orders"). No regular expressions: nothing here can be slow.
matches(pattern, value) if pattern == value

matches("*", _)

matches(pattern, value) if {
	endswith(pattern, ".*")
	startswith(value, trim_suffix(pattern, "*"))
}
