package conditions_test

import data.sallyport

caller(conditions) := {"caller": {"inherits": [], "permissions": [{
	"action": "context.*",
	"resource": "bank.*",
	"when": conditions,
}]}}

call(arguments) := {
	"principal": {"id": "user:alice", "kind": "user", "tenant": "default", "roles": ["caller"]},
	"action": "context.tools.call",
	"resource": {"kind": "tool", "name": "bank.pay"},
	"arguments": arguments,
}

seen(value) := {"/a": {"value": value}}

decide(conditions, arguments) := decision if {
	decision := sallyport.decision with input as call(arguments) with data.roles as caller(conditions)
}

allows(condition, value) if decide([object.union({"argument": "/a"}, condition)], seen(value)).allow

holding := [
	[{"equals": "x"}, "x"],
	[{"equals": ""}, ""],
	[{"equals": 1}, 1],
	[{"equals": 1}, 1.0],
	[{"equals": 100}, 1e2],
	[{"equals": true}, true],
	[{"equals": false}, false],
	[{"equals": null}, null],
	[{"one_of": ["x", 2, false]}, "x"],
	[{"one_of": ["x", 2, false]}, 2],
	[{"one_of": ["x", 2, false]}, false],
	[{"at_most": 10}, 10],
	[{"at_most": 10}, -1],
	[{"at_most": 0.5}, 0.5],
	[{"at_least": 10}, 10],
	[{"at_least": -1}, 0],
	[{"starts_with": "ab"}, "ab"],
	[{"starts_with": "ab"}, "abc"],
	[{"within": "/srv/data"}, "/srv/data"],
	[{"within": "/srv/data"}, "/srv/data/"],
	[{"within": "/srv/data"}, "/srv/data/x/y"],
	[{"within": "/srv/data"}, "/srv//./data///x"],
	[{"within": "/srv/data/"}, "/srv/data/..x"],
	[{"within": "/"}, "/etc"],
]

failing := [
	[{"equals": "x"}, "X"],
	[{"equals": "x"}, "x "],
	[{"equals": 1}, "1"],
	[{"equals": "1"}, 1],
	[{"equals": 1}, true],
	[{"equals": 0}, false],
	[{"equals": 0}, null],
	[{"equals": ""}, null],
	[{"one_of": ["x", 2]}, "2"],
	[{"one_of": ["x", 2]}, "y"],
	[{"at_most": 10}, 10.000001],
	[{"at_most": 10}, "1"],
	[{"at_most": 10}, null],
	[{"at_most": 10}, true],
	[{"at_least": 10}, 9.999],
	[{"at_least": 10}, "11"],
	[{"at_least": 10}, "zzz"],
	[{"starts_with": "ab"}, "Ab"],
	[{"starts_with": "ab"}, "a"],
	[{"starts_with": "1"}, 1],
	[{"within": "/srv/data"}, "/srv/data2"],
	[{"within": "/srv/data"}, "/srv"],
	[{"within": "/srv/data"}, "/srv/data/../secret"],
	[{"within": "/srv/data"}, "/srv/data/x/.."],
	[{"within": "/srv/data"}, "/.."],
	[{"within": "/srv/data"}, "//srv/data/x"],
	[{"within": "/srv/data"}, "srv/data/x"],
	[{"within": "/srv/data"}, "./srv/data/x"],
	[{"within": "/srv/data"}, "/srv/data\\..\\x"],
	[{"within": "/srv/data"}, "/SRV/data/x"],
	[{"within": "/srv/data"}, "file:///srv/data/x"],
	[{"within": "/srv/data"}, ""],
	[{"within": "/srv/data"}, 1],
	[{"within": "/"}, "etc"],
	[{"absent": true}, "x"],
	[{"absent": true}, null],
]

test_conditions_that_hold if {
	every row in holding {
		allows(row[0], row[1])
	}
}

test_conditions_that_do_not_hold if {
	every row in failing {
		not allows(row[0], row[1])
	}
}

# Each would hold for "x", or for anything, if it were read generously.
malformed := [
	{"argument": "/a"},
	{"argument": "/a", "equals": "x", "at_most": 9},
	{"argument": "/a", "matches": ".*"},
	{"argument": "/a", "equals": ["x"]},
	{"argument": "/a", "equals": {"value": "x"}},
	{"argument": "/a", "one_of": "x"},
	{"argument": "/a", "one_of": []},
	{"argument": "/a", "one_of": ["x", ["y"]]},
	{"argument": "/a", "one_of": {"x": "x"}},
	{"argument": "/a", "at_most": "y"},
	{"argument": "/a", "at_least": "a"},
	{"argument": "/a", "starts_with": ""},
	{"argument": "/a", "starts_with": ["x"]},
	{"argument": "/a", "within": "x"},
	{"argument": "/a", "within": "/../x"},
	{"argument": "/a", "absent": false},
	{"argument": "/a", "absent": "true"},
	{"argument": "/b", "absent": 1},
	{"argument": 1, "equals": "x"},
	{"argument": null, "absent": true},
	{"equals": "x", "value": "x"},
	{},
	null,
	true,
	"x",
	["/a", "equals", "x"],
]

test_a_condition_out_of_shape_holds_for_nothing if {
	every condition in malformed {
		every arguments in [seen("x"), {}, "any"] {
			not decide([condition], arguments).allow
		}
	}
}

test_a_list_out_of_shape_matches_nothing if {
	every conditions in [[], {}, null, false, true, "any", {"argument": "/a", "equals": "x"}] {
		every arguments in [seen("x"), {}, "any"] {
			not decide(conditions, arguments).allow
		}
	}
}

test_absent_holds_where_nothing_is if {
	decide([{"argument": "/a", "absent": true}], {}).allow
	decide([{"argument": "/a", "absent": true}], {"/b": {"value": 1}}).allow
}

test_what_cannot_be_read_satisfies_nothing_and_is_not_absent if {
	every condition in [{"absent": true}, {"equals": null}, {"starts_with": "x"}, {"at_least": -1e300}] {
		not decide([object.union({"argument": "/a"}, condition)], {"/a": {}}).allow
	}
}

test_all_conditions_must_hold if {
	conditions := [{"argument": "/a", "at_least": 1}, {"argument": "/a", "at_most": 5}, {"argument": "/b", "equals": "x"}]
	decide(conditions, {"/a": {"value": 3}, "/b": {"value": "x"}}).allow
	not decide(conditions, {"/a": {"value": 9}, "/b": {"value": "x"}}).allow
	not decide(conditions, {"/a": {"value": 3}, "/b": {"value": "y"}}).allow
	not decide(conditions, {"/a": {"value": 3}}).allow
}

test_any_counts_what_could_hold if decide([{"argument": "/a", "equals": "x"}, {"argument": "/b", "absent": true}], "any").allow

test_what_is_not_a_call_meets_no_condition if {
	every condition in [{"argument": "/a", "equals": "x"}, {"argument": "/a", "absent": true}] {
		asked := object.remove(call({}), ["arguments"])
		decision := sallyport.decision with input as asked with data.roles as caller([condition])
		decision.reasons == ["no_role_grants"]
		decision.requires == []
	}
}

test_arguments_out_of_shape_meet_no_condition if {
	every arguments in ["all", null, true, [], ["any"], {"/a": "x"}, {"/a": ["x"]}, 1] {
		not decide([{"argument": "/a", "equals": "x"}], arguments).allow
	}
}

test_a_permission_without_conditions_does_not_look_at_arguments if {
	plain := {"caller": {"inherits": [], "permissions": [{"action": "context.*", "resource": "bank.*"}]}}
	every arguments in [seen("x"), {}, "any", null, 1] {
		decision := sallyport.decision with input as call(arguments) with data.roles as plain
		decision.allow
	}
}

# The role that would allow with these arguments, and the arguments that are in the way; never a value.
test_a_refused_argument_is_named if {
	roles := object.union(caller([{"argument": "/a", "at_most": 5}, {"argument": "/b", "equals": "x"}]), {
		"treasurer": {"inherits": [], "permissions": [{
			"action": "context.*",
			"resource": "*",
			"when": [{"argument": "/a", "at_most": 1000}],
		}]},
		"clerk": {"inherits": [], "permissions": [{
			"action": "context.*",
			"resource": "*",
			"when": [{"argument": "/a", "at_most": 1}],
		}]},
	})
	decision := sallyport.decision with input as call({"/a": {"value": 100}, "/b": {"value": "x"}}) with data.roles as roles
	not decision.allow
	decision.reasons == ["argument_refused"]
	decision.requires == ["argument:/a", "role:treasurer"]
}

test_an_argument_is_not_in_the_way_where_the_role_is if {
	asked := object.union(call(seen("y")), {"resource": {"kind": "tool", "name": "files.read"}})
	decision := sallyport.decision with input as asked with data.roles as caller([{"argument": "/a", "equals": "x"}])
	decision.reasons == ["no_role_grants"]
	decision.requires == []
}
