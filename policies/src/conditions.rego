package sallyport

# Conditions over the arguments of a call: {"argument": <JSON pointer, RFC 6901>, <operator>: <operand>}, one operator
# each, all of a permission's must hold. The engine hands in the values at the pointers that roles mention and no others:
#
#   input.arguments: {pointer: {"value": scalar}}   an object or array, and what is too large, is {pointer: {}}: it is
#                                                   there, and satisfies nothing
#                    "any"                          could some arguments be allowed? For filtering lists
#                    absent                         not a call: no permission with conditions matches
#
# Whatever is unknown, mistyped or half written satisfies nothing.

conditions_hold(permission) if not has_member(permission, "when")

conditions_hold(permission) if {
	is_array(permission.when)
	count(permission.when) > 0
	every condition in permission.when {
		condition_holds(condition)
	}
}

condition_holds(condition) if {
	is_condition(condition)
	input.arguments == "any"
}

condition_holds(condition) if {
	is_condition(condition)
	condition.absent == true
	is_object(input.arguments)
	not has_member(input.arguments, condition.argument)
}

condition_holds(condition) if {
	is_condition(condition)
	is_object(input.arguments)
	value := input.arguments[condition.argument].value
	satisfies(value, condition)
}

# Also of a member that is false or null.
has_member(object, name) if {
	some member, _ in object
	member == name
}

# Types are strict: 1 is not "1", and equals 1.0. Strings are compared unit by unit, as they were sent.
satisfies(value, condition) if value == condition.equals

satisfies(value, condition) if {
	some allowed in condition.one_of
	value == allowed
}

# Rego orders values of different types too, so the type of the value is asked first.
satisfies(value, condition) if {
	is_number(value)
	value <= condition.at_most
}

satisfies(value, condition) if {
	is_number(value)
	value >= condition.at_least
}

satisfies(value, condition) if {
	is_string(value)
	startswith(value, condition.starts_with)
}

satisfies(value, condition) if {
	folder := path_segments(condition.within)
	segments := path_segments(value)
	array.slice(segments, 0, count(folder)) == folder
}

is_condition(condition) if {
	is_object(condition)
	count(condition) == 2
	is_string(condition.argument)
	some operator, operand in condition
	is_operand(operator, operand)
}

is_operand("equals", operand) if is_scalar(operand)

is_operand("one_of", operand) if {
	is_array(operand)
	count(operand) > 0
	every allowed in operand {
		is_scalar(allowed)
	}
}

is_operand("at_most", operand) if is_number(operand)

is_operand("at_least", operand) if is_number(operand)

is_operand("starts_with", operand) if {
	is_string(operand)
	operand != ""
}

is_operand("within", operand) if is_array(path_segments(operand))

is_operand("absent", true)

is_scalar(value) if is_string(value)

is_scalar(value) if is_number(value)

is_scalar(value) if is_boolean(value)

is_scalar(value) if is_null(value)

# The segments of an absolute path, empty ones and "." left out as a file system does. Undefined for what may lead
# elsewhere than it says: "..", a backslash, a leading "//" (POSIX leaves its meaning to the system). Links in the file
# system are out of sight from here.
path_segments(path) := [segment |
	some segment in segments
	not segment in {"", "."}
] if {
	is_string(path)
	startswith(path, "/")
	not startswith(path, "//")
	not contains(path, "\\")
	segments := split(path, "/")
	not ".." in segments
}

# Pointers at which a role that is held, and covers the call, has a condition that does not hold. Never the values.
refused_arguments contains condition.argument if {
	is_object(input.arguments)
	some name in effective_roles
	some permission in data.roles[name].permissions
	covers(permission)
	some condition in permission.when
	is_condition(condition)
	not condition_holds(condition)
}
