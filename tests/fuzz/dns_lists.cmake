culvert_fuzz(dns_list SOURCES dns_list.cpp DEPENDS dns base)
