culvert_fuzz(egress SOURCES egress.cpp DEPENDS proxy base)
