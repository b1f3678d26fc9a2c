culvert_fuzz(config SOURCES config.cpp DEPENDS app)
