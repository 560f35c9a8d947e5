"""FIX on the trader's side: finds Logons (`dialect`) and puts the code into them (`logon`)."""
