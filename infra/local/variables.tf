variable "site" {
  description = "Name of the site, as in holdfast.yaml."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.site))
    error_message = "A site's name has 1 to 40 of a-z, 0-9 and -, and starts with a letter."
  }
}

variable "start" {
  description = "Program and arguments that start every store of the site and return when all answer. Harmless when they run."
  type        = list(string)

  validation {
    condition     = length(var.start) >= 2
    error_message = "A program and at least one argument."
  }
}

variable "stop" {
  description = "Program and arguments that stop every store of the site. Harmless when none runs."
  type        = list(string)

  validation {
    condition     = length(var.stop) >= 2
    error_message = "A program and at least one argument."
  }
}

variable "stores" {
  description = "Where each store listens once it stands."
  type        = map(object({ host = string, port = number }))

  validation {
    condition     = alltrue([for store in values(var.stores) : store.port > 0 && store.port < 65536])
    error_message = "A port is 1 to 65535."
  }
}
