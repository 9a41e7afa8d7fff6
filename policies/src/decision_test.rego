package sallyport_test

import data.sallyport

roles := {
	"base": {"inherits": [], "permissions": [{"action": "session.open", "resource": "*"}]},
	"left": {"inherits": ["right"], "permissions": [{"action": "left.act", "resource": "*"}]},
	"orders": {"inherits": ["base"], "permissions": [{"action": "message.send", "resource": "orders.*"}]},
	"right": {"inherits": ["left", "nowhere"], "permissions": [{"action": "right.act", "resource": "one"}]},
	"root": {"inherits": [], "permissions": [{"action": "*", "resource": "*"}]},
	"damaged": {"inherits": "base", "permissions": "all of them"},
	"empty": {},
}

request(held, action, name) := {
	"principal": {"id": "user:alice", "kind": "user", "tenant": "default", "roles": held},
	"action": action,
	"resource": {"kind": "destination", "name": name},
	"environment": {},
}

decide(asked) := decision if {
	decision := sallyport.decision with input as asked with data.roles as roles
}

test_a_permission_of_a_held_role_allows if {
	decision := decide(request(["orders"], "message.send", "orders.new"))
	decision.allow == true
	decision.reasons == ["role_grants"]
	decision.roles == ["orders"]
	decision.requires == []
	decision.obligations == []
	decision.cache_ttl_seconds > 0
}

test_a_permission_is_inherited if {
	decision := decide(request(["orders"], "session.open", "gateway"))
	decision.allow == true
	decision.roles == ["base"]
	decision.effective_roles == ["base", "orders"]
}

test_a_prefix_covers_all_below_it if decide(request(["orders"], "message.send", "orders.eu.new")).allow

test_a_prefix_does_not_cover_its_own_name if not decide(request(["orders"], "message.send", "orders")).allow

test_a_prefix_ends_at_the_dot if not decide(request(["orders"], "message.send", "orders2.new")).allow

test_another_action_is_denied_and_says_what_would_allow_it if {
	decision := decide(request(["base"], "message.send", "orders.new"))
	decision.allow == false
	decision.reasons == ["no_role_grants"]
	decision.requires == ["role:orders", "role:root"]
	decision.roles == []
}

test_no_roles_is_denied if {
	decision := decide(request([], "session.open", "gateway"))
	decision.allow == false
	decision.reasons == ["no_roles"]
}

test_an_unknown_role_is_no_role if {
	decision := decide(request(["nowhere"], "session.open", "gateway"))
	decision.allow == false
	decision.reasons == ["no_roles"]
	decision.effective_roles == []
}

test_a_cycle_ends_and_shares_permissions if {
	decision := decide(request(["left"], "right.act", "one"))
	decision.allow == true
	decision.effective_roles == ["left", "right"]
}

test_a_cycle_grants_no_more_than_its_roles if not decide(request(["left"], "right.act", "two")).allow

test_damaged_roles_grant_nothing if {
	every held in ["damaged", "empty"] {
		not decide(request([held], "session.open", "gateway")).allow
	}
}

test_a_star_is_not_a_name if {
	every asked in [request(["root"], "*", "x"), request(["root"], "x", "*"), request(["orders"], "message.send", "orders.*")] {
		decision := decide(asked)
		decision.allow == false
		decision.reasons == ["input_malformed"]
		decision.cache_ttl_seconds == 0
	}
}

test_a_missing_or_mistyped_fact_is_malformed if {
	whole := request(["root"], "session.open", "gateway")
	every patch in [
		{"path": ["action"], "value": ""},
		{"path": ["action"], "value": 1},
		{"path": ["resource"], "value": null},
		{"path": ["resource", "name"], "value": ["gateway"]},
		{"path": ["resource", "kind"], "value": ""},
		{"path": ["principal"], "value": "user:alice"},
		{"path": ["principal", "id"], "value": null},
		{"path": ["principal", "tenant"], "value": 7},
		{"path": ["principal", "roles"], "value": "root"},
		{"path": ["principal", "roles"], "value": {"root": true}},
	] {
		replaced := replace_at(whole, patch.path, patch.value)
		decision := decide(replaced)
		decision.allow == false
		decision.reasons == ["input_malformed"]
	}
}

replace_at(whole, path, value) := object.union(whole, {path[0]: value}) if count(path) == 1

replace_at(whole, path, value) := object.union(
	whole,
	{path[0]: object.union(whole[path[0]], {path[1]: value})},
) if {
	count(path) == 2
}

test_no_input_is_denied if {
	decision := sallyport.decision with data.roles as roles
	decision.allow == false
}

test_no_data_is_denied if {
	decision := sallyport.decision with input as request(["root"], "session.open", "gateway") with data.roles as {}
	decision.allow == false
}

test_a_resource_of_another_tenant_is_denied if {
	whole := request(["root"], "session.open", "gateway")
	decision := decide(object.union(whole, {"resource": {"tenant": "other"}}))
	decision.allow == false
	decision.reasons == ["tenant_mismatch"]
	decision.requires == []
}

test_a_resource_of_the_own_tenant_is_allowed if {
	whole := request(["root"], "session.open", "gateway")
	decide(object.union(whole, {"resource": {"tenant": "default"}})).allow
}
