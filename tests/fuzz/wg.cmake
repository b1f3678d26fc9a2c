culvert_fuzz(wg_datagram SOURCES wg_datagram.cpp DEPENDS wg)
culvert_fuzz(wg_session SOURCES wg_session.cpp DEPENDS wg)
