culvert_fuzz(dns_message SOURCES dns_message.cpp DEPENDS dns)
