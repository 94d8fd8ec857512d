/interface bridge add comment="office: lan" name=office-lan vlan-filtering=yes
/interface vlan add comment="office: guests" interface=office-lan name=office-guests vlan-id=20
/interface bridge port add bridge=office-lan comment="office: lan ether2" interface=ether2
/interface bridge port add bridge=office-lan comment="office: lan ether3" interface=ether3
/interface bridge port add bridge=office-lan comment="office: lan ether4" interface=ether4
/interface bridge port add bridge=office-lan comment="office: lan ether5" interface=ether5
/interface bridge vlan add bridge=office-lan comment="office: guests" tagged=office-lan,ether2,ether3,ether4,ether5 vlan-ids=20
/ip pool add name=office-staff ranges=192.168.1.100-192.168.1.199
/ip pool add name=office-guests ranges=10.20.0.10-10.20.3.200
/ip address add address=203.0.113.10/29 comment="office: line" interface=ether1 network=203.0.113.8
/ip address add address=192.168.1.1/24 comment="office: staff" interface=office-lan network=192.168.1.0
/ip address add address=10.20.0.1/22 comment="office: guests" interface=office-guests network=10.20.0.0
/ip dhcp-server add address-pool=office-staff comment="office: staff" interface=office-lan lease-time=12h name=office-staff
/ip dhcp-server add address-pool=office-guests comment="office: guests" interface=office-guests lease-time=12h name=office-guests
/ip dhcp-server network add address=192.168.1.0/24 comment="office: staff" dns-server=192.168.1.10 domain=epicerie.internal gateway=192.168.1.1 ntp-server=192.168.1.1
/ip dhcp-server network add address=10.20.0.0/22 comment="office: guests" dns-server=10.20.0.1 gateway=10.20.0.1 ntp-server=10.20.0.1
/ip dhcp-server lease add address=192.168.1.20 comment="office: desktop" mac-address=02:00:5E:10:00:14 server=office-staff
/ip dhcp-server lease add address=192.168.1.10 comment="office: server" mac-address=02:00:5E:10:00:0A server=office-staff
/ip dns set allow-remote-requests=yes servers=203.0.113.53,9.9.9.9
/ip dns static add address=192.168.1.1 comment="office: router" name=router.epicerie.internal
/ip dns static add comment="office: the office's names" forward-to=192.168.1.10 match-subdomain=yes name=epicerie.internal type=FWD
/ip route add comment="office: line" dst-address=0.0.0.0/0 gateway=203.0.113.9
/ip firewall filter add action=accept chain=input comment="office: known" connection-state=established,related,untracked
/ip firewall filter add action=drop chain=input comment="office: torn" connection-state=invalid
/ip firewall filter add action=accept chain=input comment="office: echo" protocol=icmp
/ip firewall filter add action=accept chain=input comment="office: itself" dst-address-type=local src-address-type=local
/ip firewall filter add action=accept chain=input comment="office: time office-lan" dst-port=123 in-interface=office-lan protocol=udp
/ip firewall filter add action=accept chain=input comment="office: time office-guests" dst-port=123 in-interface=office-guests protocol=udp
/ip firewall filter add action=accept chain=input comment="office: base tcp 22" dst-port=22 in-interface=office-lan protocol=tcp
/ip firewall filter add action=accept chain=input comment="office: router tcp 53" dst-port=53 in-interface=office-lan protocol=tcp
/ip firewall filter add action=accept chain=input comment="office: router udp 53" dst-port=53 in-interface=office-lan protocol=udp
/ip firewall filter add action=accept chain=input comment="office: router udp 67" dst-port=67 in-interface=office-lan protocol=udp
/ip firewall filter add action=accept chain=input comment="office: guests: names and addresses" dst-port=53,67 in-interface=office-guests protocol=udp
/ip firewall filter add action=accept chain=input comment="office: guests: names" dst-port=53 in-interface=office-guests protocol=tcp
/ip firewall filter add action=drop chain=input comment="office: all else"
/ip firewall filter add action=accept chain=forward comment="office: known on its way" connection-state=established,related,untracked
/ip firewall filter add action=drop chain=forward comment="office: torn on its way" connection-state=invalid
/ip firewall filter add action=accept chain=forward comment="office: forwarded ports" connection-nat-state=dstnat in-interface=ether1
/ip firewall filter add action=accept chain=forward comment="office: staff to the Internet" in-interface=office-lan out-interface=ether1
/ip firewall filter add action=accept chain=forward comment="office: guests to the Internet" in-interface=office-guests out-interface=ether1
/ip firewall filter add action=drop chain=forward comment="office: all else on its way"
/ip firewall nat add action=masquerade chain=srcnat comment="office: masquerade" out-interface=ether1
/ipv6 address add address=fd5c:81e7:2b94::1/64 comment="office: staff ula" interface=office-lan
/ipv6 address add address=fd5c:81e7:2b94:1::1/64 comment="office: guests ula" interface=office-guests
/ipv6 nd add advertise-dns=no comment="office: staff" interface=office-lan
/ipv6 nd add comment="office: guests" dns=fd5c:81e7:2b94:1::1 interface=office-guests
/ipv6 nd set [ find default=yes ] disabled=yes
/ipv6 firewall filter add action=accept chain=input comment="office: known" connection-state=established,related,untracked
/ipv6 firewall filter add action=drop chain=input comment="office: torn" connection-state=invalid
/ipv6 firewall filter add action=accept chain=input comment="office: echo" protocol=icmpv6
/ipv6 firewall filter add action=accept chain=input comment="office: itself" dst-address-type=local src-address-type=local
/ipv6 firewall filter add action=accept chain=input comment="office: the line's prefix" dst-port=546 in-interface=ether1 protocol=udp src-address=fe80::/10
/ipv6 firewall filter add action=accept chain=input comment="office: time office-lan" dst-port=123 in-interface=office-lan protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: time office-guests" dst-port=123 in-interface=office-guests protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: base tcp 22" dst-port=22 in-interface=office-lan protocol=tcp
/ipv6 firewall filter add action=accept chain=input comment="office: router tcp 53" dst-port=53 in-interface=office-lan protocol=tcp
/ipv6 firewall filter add action=accept chain=input comment="office: router udp 53" dst-port=53 in-interface=office-lan protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: router udp 67" dst-port=67 in-interface=office-lan protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: guests: names and addresses" dst-port=53,67 in-interface=office-guests protocol=udp
/ipv6 firewall filter add action=accept chain=input comment="office: guests: names" dst-port=53 in-interface=office-guests protocol=tcp
/ipv6 firewall filter add action=drop chain=input comment="office: all else"
/ipv6 firewall filter add action=accept chain=forward comment="office: known on its way" connection-state=established,related,untracked
/ipv6 firewall filter add action=drop chain=forward comment="office: torn on its way" connection-state=invalid
/ipv6 firewall filter add action=accept chain=forward comment="office: staff to the Internet" in-interface=office-lan out-interface=ether1
/ipv6 firewall filter add action=accept chain=forward comment="office: guests to the Internet" in-interface=office-guests out-interface=ether1
/ipv6 firewall filter add action=drop chain=forward comment="office: all else on its way"
/system clock set time-zone-autodetect=no time-zone-name=Europe/Paris
/system ntp client set enabled=yes
/system ntp client servers add address=0.pool.ntp.org
/system ntp client servers add address=1.pool.ntp.org
/system ntp client servers add address=2.pool.ntp.org
/system ntp client servers add address=3.pool.ntp.org
/system ntp server set enabled=yes
