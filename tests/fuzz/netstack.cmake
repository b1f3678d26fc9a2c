culvert_fuzz(inner_ip SOURCES inner_ip.cpp DEPENDS netstack base)
culvert_fuzz(lwip_stack SOURCES lwip_stack.cpp DEPENDS netstack base)
culvert_fuzz(reassembly SOURCES reassembly.cpp DEPENDS netstack base)
