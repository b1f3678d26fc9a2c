culvert_fuzz(dns_query SOURCES dns_query.cpp DEPENDS dns base)
