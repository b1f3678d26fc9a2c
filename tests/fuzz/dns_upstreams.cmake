foreach(name dns_upstream_reply dns_stream_frames)
  culvert_fuzz(${name} SOURCES ${name}.cpp DEPENDS dns base)
endforeach()
