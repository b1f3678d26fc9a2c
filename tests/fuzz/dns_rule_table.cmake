culvert_fuzz(dns_rule_file SOURCES dns_rule_file.cpp DEPENDS dns base)
