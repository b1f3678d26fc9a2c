culvert_fuzz(portal_http SOURCES portal_http.cpp DEPENDS proxy netstack base)
culvert_fuzz(portal_dns SOURCES portal_dns.cpp DEPENDS proxy netstack base)
