variable "platform" {
  description = "Name of the platform, as in holdfast.yaml."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,29}$", var.platform))
    error_message = "A platform's name has 1 to 30 of a-z, 0-9 and -, and starts with a letter: it is a part of bucket names."
  }
}

variable "active" {
  description = "The site that serves now: its name in holdfast.yaml and its region."
  type        = object({ site = string, region = string })
}

variable "standby" {
  description = "The site that stands by: its name in holdfast.yaml, its region and two of its zones."
  type        = object({ site = string, region = string, zones = list(string) })

  validation {
    condition     = length(distinct(var.standby.zones)) == 2
    error_message = "Two different availability zones."
  }

  validation {
    condition     = var.standby.region != var.active.region
    error_message = "A standby in the region of the active site is lost with it."
  }
}

variable "bucket_suffix" {
  description = "End of the bucket names, which are unique in the whole world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{4,12}$", var.bucket_suffix))
    error_message = "4 to 12 of a-z and 0-9."
  }
}

variable "kms_recipients" {
  description = "Make a key in each region that opens the backups, beside the private keys that people hold."
  type        = bool
  default     = false
}

variable "lock_days" {
  description = "Days for which nobody can delete an object of the copy: at least the tier's `keep` in holdfast.yaml."
  type        = number
  default     = 30

  validation {
    condition     = var.lock_days >= 1 && var.lock_days <= 3650
    error_message = "1 to 3650 days."
  }
}

variable "lock_mode" {
  description = "COMPLIANCE: not even the account's owner can delete. GOVERNANCE: a role that may bypass it could."
  type        = string
  default     = "COMPLIANCE"

  validation {
    condition     = contains(["COMPLIANCE", "GOVERNANCE"], var.lock_mode)
    error_message = "COMPLIANCE or GOVERNANCE."
  }
}

variable "archive_after_days" {
  description = "Days after which objects tagged dr=data go to Glacier. 0: never."
  type        = number
  default     = 0

  validation {
    condition     = var.archive_after_days == 0 || var.archive_after_days >= 30
    error_message = "0, or at least 30 days."
  }
}

variable "principals" {
  description = "Who may take each role: ARNs of the workers' own roles. Each role by its own principals."
  type = object({
    writer   = list(string)
    verifier = list(string)
    restorer = list(string)
    expirer  = list(string)
    failover = list(string)
  })

  validation {
    condition     = alltrue([for arns in values(var.principals) : length(arns) > 0 && !contains(arns, "*")])
    error_message = "Each role needs principals, and * is none."
  }

  validation {
    condition     = length(setintersection(var.principals.writer, var.principals.expirer)) == 0
    error_message = "Whoever writes backups must not be able to expire them."
  }
}

variable "state_bucket" {
  description = "Name of the bucket at the witness that holds this configuration's state."
  type        = string
}

variable "zone_id" {
  description = "Id of the hosted zone that holds the public names."
  type        = string
}

variable "names" {
  description = "Public names that a failover moves, and the address each site gives for them."
  type        = map(object({ active = string, standby = string }))
  default     = {}

  validation {
    condition     = alltrue([for one in values(var.names) : one.active != one.standby])
    error_message = "Both sites give the same address: a move would move nothing."
  }
}

variable "ttl" {
  description = "Seconds for which clients may hold an address."
  type        = number
  default     = 30

  validation {
    condition     = var.ttl >= 1 && var.ttl <= 300
    error_message = "1 to 300 seconds."
  }
}

variable "switches" {
  description = "The second switch: for each site, host and path of an object of yours outside of that site, asked by HTTPS. Null: none."
  type = object({
    active  = object({ host = string, path = string })
    standby = object({ host = string, path = string })
  })
  default = null
}

variable "network" {
  description = "Address range of the standby's network, and the ranges from which its stores are used."
  type        = object({ range = string, clients = list(string) })

  validation {
    condition     = can(cidrsubnet(var.network.range, 4, 1)) && alltrue([for range in var.network.clients : can(cidrhost(range, 0)) && range != "0.0.0.0/0"])
    error_message = "Ranges such as 10.20.0.0/20; the whole internet is no client."
  }
}

variable "stores" {
  description = "The standby's instances: image, type, port and size of the data volume in GiB."
  type        = map(object({ image = string, type = string, port = number, volume = number }))

  validation {
    condition     = alltrue([for store in values(var.stores) : store.volume >= 8 && can(regex("^ami-", store.image))])
    error_message = "An image begins with ami-, and a volume has at least 8 GiB."
  }
}

variable "standby_runs" {
  description = "Whether the standby's instances run. Holdfast sets it in a failover; otherwise they cost only their disks."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}
