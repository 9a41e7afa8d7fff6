package sallyport.unbundled

import rego.v1

default allow := true
