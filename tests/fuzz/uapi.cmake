culvert_fuzz(uapi SOURCES uapi.cpp DEPENDS control)
