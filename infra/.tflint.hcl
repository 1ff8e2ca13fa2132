# Core rules alone: the rules of a provider would need its plugin from the network.
plugin "terraform" {
  enabled = true
  preset  = "all"
}
