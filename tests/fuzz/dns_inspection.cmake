culvert_fuzz(dns_inspection SOURCES dns_inspection.cpp DEPENDS dns base)
