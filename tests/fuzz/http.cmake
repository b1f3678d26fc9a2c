culvert_fuzz(http_request SOURCES http_request.cpp DEPENDS control)
culvert_fuzz(api_body SOURCES api_body.cpp DEPENDS control)
culvert_fuzz(api_target SOURCES api_target.cpp DEPENDS control)
